"""Health: each part by itself, quick whatever hangs, and open to probes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from api import health
from engine.engine import Engine
from providers.registry import Registry
from speech.clock import now
from speech.errors import ProviderUnavailable
from speech.settings import Settings
from storage.workers import WorkerBeat
from tests.api.conftest import Desk, opened
from weights.store import WeightStore

HEALTH = "/api/v1/health"


@pytest.fixture
def prefect() -> Iterator[tuple[str, list[int]]]:
    """Something that answers as Prefect's health check does; the status can be changed."""
    status = [200]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", status
    server.shutdown()
    thread.join()
    server.server_close()


async def beat(desk: Desk, worker_id: str, slots: int, busy: int) -> None:
    await desk.store.workers.beat(WorkerBeat(worker_id, "w", "h", "p", "cpu", slots, busy, now()))


async def test_all_is_well(changed: Callable[..., Settings], prefect: tuple[str, list[int]]) -> None:
    async with opened(changed(prefect_api_url=prefect[0])) as desk:
        await beat(desk, "one", 4, 1)
        await beat(desk, "two", 2, 2)
        body = (await desk.client.get(HEALTH)).json()
        assert body["status"] == "healthy", body
        assert set(body["checks"]) == {"database", "storage", "orchestrator", "workers", "queue", "providers"}
        workers = body["checks"]["workers"]
        assert (workers["online"], workers["slots"], workers["busy"]) == (2, 6, 3)
        assert body["checks"]["providers"]["available"] == ["faster_whisper"]
        assert (await desk.client.get(f"{HEALTH}/ready")).json() == {"status": "ready"}


async def test_the_queue_is_counted_by_pool(changed: Callable[..., Settings], speech: bytes) -> None:
    async with opened(changed(pool_routes={"faster_whisper/base": "speech-gpu"})) as desk:
        file_ids = await desk.upload(("call.flac", speech))
        for model in ("base", "base", "tiny.en"):
            answer = await desk.client.post("/api/v1/transcribe", json={"file_ids": file_ids, "model": model})
            assert answer.status_code == 202
        queue = (await desk.client.get(HEALTH)).json()["checks"]["queue"]
        assert queue["ok"]
        assert (queue["queued"], queue["processing"], queue["unfinished"]) == (3, 0, 3)
        assert queue["pools"] == {
            "speech-cpu": {"queued": 1, "processing": 0, "unfinished": 1},
            "speech-gpu": {"queued": 2, "processing": 0, "unfinished": 2},
        }


async def test_a_queue_that_cannot_be_counted_is_said_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(**_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(desk.store.demand, "shares", broken)
    queue = (await desk.client.get(HEALTH)).json()["checks"]["queue"]
    assert (queue["ok"], queue["queued"], queue["pools"]) == (False, 0, {})
    assert "RuntimeError" in queue["detail"]


async def test_workers_that_are_not_well_are_named(desk: Desk) -> None:
    sick = {"trouble": {"code": "storage_full", "seconds": 8}}
    await desk.store.workers.beat(WorkerBeat("one", "full", "h", "p", "cpu", 4, 0, now(), sick))
    workers = (await desk.client.get("/api/v1/health")).json()["checks"]["workers"]
    assert (workers["ok"], workers["online"], workers["unwell"]) == (False, 1, 1)
    assert "full (storage_full)" in workers["detail"]


async def test_without_prefect_and_workers_jobs_are_still_accepted(desk: Desk) -> None:
    body = (await desk.client.get(HEALTH)).json()
    assert body["status"] == "degraded"
    assert not body["checks"]["orchestrator"]["ok"]
    assert "woa worker" in body["checks"]["workers"]["detail"]
    assert (await desk.client.get(f"{HEALTH}/ready")).status_code == 200


async def test_an_orchestrator_that_says_no(changed: Callable[..., Settings], prefect: tuple[str, list[int]]) -> None:
    prefect[1][0] = 500
    async with opened(changed(prefect_api_url=prefect[0])) as desk:
        assert "500" in (await desk.client.get(HEALTH)).json()["checks"]["orchestrator"]["detail"]


async def test_a_storage_that_takes_nothing_is_unhealthy(desk: Desk) -> None:
    blobs = desk.settings.data_dir / "blobs"
    blobs.write_text("a file where the folder should be")
    body = (await desk.client.get(HEALTH)).json()
    assert (body["status"], body["checks"]["storage"]["ok"]) == ("unhealthy", False)
    ready = await desk.client.get(f"{HEALTH}/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert ready.headers["retry-after"]
    assert str(blobs) not in ready.text
    assert (await desk.client.get(f"{HEALTH}/live")).json() == {"status": "live"}


async def test_a_check_that_hangs_takes_its_own_time_limit_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, asked = threading.Event(), []

    def hangs() -> None:
        asked.append(1)
        let_go.wait(30)

    monkeypatch.setattr(desk.store.blobs, "check", hangs)
    monkeypatch.setattr(health, "TIMEOUT", 0.05)
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    try:
        for _ in range(3):
            checks = (await desk.client.get(HEALTH)).json()["checks"]
            assert "No answer" in checks["storage"]["detail"]
        assert len(asked) == 1, "what hangs is not asked again"
    finally:
        let_go.set()


async def test_a_check_that_breaks_is_told_without_its_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: float) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(desk.store.workers, "online", broken)
    answer = await desk.client.get(HEALTH)
    assert answer.json()["checks"]["workers"]["online"] == 0
    assert "RuntimeError" in answer.json()["checks"]["workers"]["detail"]
    assert "hunter2" not in answer.text


async def test_providers_that_cannot_work(settings: Settings) -> None:
    class Broken(Registry):
        def get(self, name: str) -> Any:
            raise ProviderUnavailable("It needs a library that is not installed.", name)

    registry = Broken(settings, WeightStore.from_settings(settings), Engine.from_settings(settings))
    async with opened(settings, registry=registry) as desk:
        checks = (await desk.client.get(HEALTH)).json()["checks"]["providers"]
        assert checks["unavailable"] == {"faster_whisper": "It needs a library that is not installed."}
        assert not checks["ok"]


async def test_many_probes_cost_one_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    check = desk.store.database.check

    async def counted() -> None:
        looks.append(1)
        await check()

    monkeypatch.setattr(desk.store.database, "check", counted)
    await asyncio.gather(*(desk.client.get(HEALTH) for _ in range(20)))
    assert len(looks) == 1


async def test_a_blocking_call_does_not_freeze_health(
    desk: Desk, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ancestor did blocking work on the event loop: while it lasted, nobody was answered."""
    reached, go_on = threading.Event(), threading.Event()
    local_path, read, check = desk.store.blobs.local_path, desk.store.blobs.read, desk.parts.registry.check

    def slow(work: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*args: Any) -> Any:
            reached.set()
            assert go_on.wait(30)
            return work(*args)

        return wait

    file_ids = await desk.upload(("call.flac", speech))
    for target, name, work, request in (
        (desk.store.blobs, "local_path", local_path, ("POST", "upload", {"files": [("files", ("a", speech))]})),
        (desk.parts.registry, "check", check, ("POST", "transcribe", {"json": {"file_ids": file_ids}})),
        (desk.parts.registry, "describe", desk.parts.registry.describe, ("GET", "providers", {})),
    ):
        reached.clear()
        go_on.clear()
        with monkeypatch.context() as patch:
            patch.setattr(target, name, slow(work))
            method, path, given = request
            busy = asyncio.create_task(desk.client.request(method, f"/api/v1/{path}", **given))
            await asyncio.to_thread(reached.wait, 30)
            assert (await desk.client.get(f"{HEALTH}/live")).status_code == 200
            assert (await desk.client.get("/api/v1/jobs")).status_code == 200
            assert not busy.done()
            go_on.set()
            assert (await busy).status_code < 300, name
    assert read(desk.blobs()[0])


async def test_with_keys_probes_are_open_and_details_are_not(desk: Desk) -> None:
    await desk.store.keys.create("default", "mine")
    assert (await desk.client.get(HEALTH)).status_code == 401
    for path in ("live", "ready"):
        assert (await desk.client.get(f"{HEALTH}/{path}")).status_code == 200


async def test_the_catalogue_is_data_and_paged(desk: Desk) -> None:
    providers = (await desk.client.get("/api/v1/providers")).json()["providers"]
    (whisper,) = [provider for provider in providers if provider["name"] == "faster_whisper"]
    assert whisper["available"] is True
    assert whisper["capabilities"]["word_timestamps"] is True
    assert "properties" in whisper["parameters"]
    everything = (await desk.client.get("/api/v1/models")).json()
    assert everything["next_cursor"] is None
    assert {"tiny.en", "base"} <= {model["name"] for model in everything["models"]}
    paged, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await desk.client.get("/api/v1/models", params=query)).json()
        paged += page["models"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == everything["models"]
    refused = await desk.client.get("/api/v1/models?cursor=x")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")
