"""The reference: complete, true to the contract, and without anything from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from speech.options import TranscribeRequest
from speech.settings import Settings
from tests.api.conftest import Desk, opened

HEAVY = ("faster_whisper", "ctranslate2", "onnxruntime", "av", "torch", "prefect", "fsspec", "huggingface_hub")
ROUTES = {
    "POST /upload",
    "POST /transcribe",
    "GET /jobs/{job_id}",
    "GET /jobs/{job_id}/deliveries",
    "POST /jobs/{job_id}/deliveries/{delivery_id}/redeliver",
    "GET /webhooks/secrets",
    "POST /webhooks/secrets",
    "DELETE /webhooks/secrets/{secret_id}",
    "GET /transcribe/jobs/{job_id}",
    "GET /jobs",
    "DELETE /jobs/{job_id}",
    "POST /jobs/{job_id}/retry",
    "GET /jobs/{job_id}/events",
    "POST /align",
    "POST /batches",
    "GET /batches",
    "GET /batches/{batch_id}",
    "DELETE /batches/{batch_id}",
    "GET /results/{job_id}",
    "GET /results/{job_id}/{format}",
    "GET /results/{job_id}/archive",
    "DELETE /results/{job_id}",
    "GET /transcripts/{transcript_id}",
    "GET /transcripts/{transcript_id}/{format}",
    "DELETE /transcripts/{transcript_id}",
    "GET /files/{file_id}",
    "DELETE /files/{file_id}",
    "POST /speakers",
    "GET /speakers",
    "GET /speakers/{speaker_id}",
    "PATCH /speakers/{speaker_id}",
    "DELETE /speakers/{speaker_id}",
    "POST /speakers/{speaker_id}/takes",
    "DELETE /speakers/{speaker_id}/takes/{take_id}",
    "POST /ingests",
    "GET /ingests",
    "GET /ingests/{ingest_id}",
    "PATCH /ingests/{ingest_id}",
    "DELETE /ingests/{ingest_id}",
    "POST /ingests/{ingest_id}/run",
    "POST /ingests/{ingest_id}/retry",
    "GET /ingests/{ingest_id}/objects",
    "GET /ingests/{ingest_id}/runs",
    "GET /providers",
    "GET /models",
    "GET /health",
    "GET /metrics",
    "GET /health/live",
    "GET /health/ready",
}


@pytest.fixture
async def schema(desk: Desk) -> dict[str, Any]:
    return dict((await desk.client.get("/openapi.json")).json())


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path.removeprefix('/api/v1')}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


async def test_it_is_a_lawful_schema_of_every_route(schema: dict[str, Any]) -> None:
    validate(schema)
    assert {name for name, _ in operations(schema)} == ROUTES


async def test_every_operation_is_described_and_names_its_problems(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(schema)]
    assert len(set(names)) == len(names)
    for name, operation in operations(schema):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        open_to_all = name in ("GET /health/live", "GET /health/ready")
        wanted = {"500"} if open_to_all else {"401", "403", "429", "500", "503"}
        assert wanted <= set(operation["responses"]), name
        assert bool(operation.get("security")) != open_to_all, name
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
            assert "X-Request-ID" in answer["headers"], (name, status)


async def test_every_field_of_an_answer_is_described(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    assert set(shapes["TranscribeRequest"]["properties"]) == set(TranscribeRequest.model_fields)
    for name in (
        "JobView",
        "JobFileView",
        "FileView",
        "UploadView",
        "AcceptedView",
        "ResultsView",
        "Problem",
        "IngestView",
        "SpeakerView",
        "TakeView",
        "SpeakerBody",
    ):
        for field, shape in shapes[name]["properties"].items():
            assert "description" in shape or "$ref" in shape or "examples" in shape, (name, field)


async def test_the_page_loads_nothing_from_elsewhere(desk: Desk) -> None:
    answer = await desk.client.get("/docs")
    assert answer.status_code == 200
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert (await desk.client.get("/")).headers["location"] == "/docs"


async def test_the_reference_is_open_with_keys_too(desk: Desk) -> None:
    await desk.store.keys.create("default", "mine")
    for path in ("/docs", "/openapi.json"):
        assert (await desk.client.get(path)).status_code == 200


def test_importing_the_api_imports_no_engine_and_no_decoder() -> None:
    code = f"import sys, api.app, api.server; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]", done.stderr


async def test_browsers_of_named_origins_may_call(changed: Callable[..., Settings]) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }
    async with opened(changed(cors_origins=["https://studio.example"])) as desk:
        good = await desk.client.options("/api/v1/transcribe", headers={"Origin": "https://studio.example", **asking})
        assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://studio.example")
        allowed = set(good.headers["access-control-allow-methods"].split(", "))
        paths = (await desk.client.get("/openapi.json")).json()["paths"].values()
        assert {method.upper() for path in paths for method in path if method != "parameters"} <= allowed
        bad = await desk.client.options("/api/v1/transcribe", headers={"Origin": "https://evil.example", **asking})
        assert (bad.status_code, bad.json()["code"]) == (400, "cors_refused")
        assert bad.headers["content-type"] == "application/problem+json"
        assert bad.json()["request_id"] == bad.headers["x-request-id"]
        assert "access-control-allow-origin" not in bad.headers
        answer = await desk.client.get("/api/v1/jobs/nope", headers={"Origin": "https://studio.example"})
        assert answer.headers["access-control-allow-origin"] == "https://studio.example"
        exposed = answer.headers["access-control-expose-headers"]
        assert {"X-Request-ID", "Location", "ETag", "Retry-After", "Content-Disposition"} <= set(exposed.split(", "))


async def test_a_mistake_of_ours_reaches_the_browser_too(
    changed: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(changed(cors_origins=["https://studio.example"])) as desk:

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(desk.store.jobs, "get_placed", broken)
        answer = await desk.client.get("/api/v1/jobs/x", headers={"Origin": "https://studio.example"})
        assert answer.status_code == 500
        assert answer.headers["access-control-allow-origin"] == "https://studio.example"
        assert answer.headers["x-request-id"]


async def test_without_named_origins_there_are_no_such_headers(desk: Desk) -> None:
    answer = await desk.client.options(
        "/api/v1/jobs", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    )
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
