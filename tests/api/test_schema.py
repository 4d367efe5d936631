"""What the OpenAPI schema promises is what comes, whatever is sent: no 500, no undocumented status or media type."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from speech.settings import Settings
from storage.store import Store
from tests.api.conftest import complete, serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
EXAMPLES = 25
# Among the options of the command, the time would count for each operation.
TIMES = "request-timeout = 60\n"
STREAM = """
[[operations]]
include-name = "GET /api/v1/jobs/{job_id}/events"
request-timeout = 1  # the stream of a job that waits does not end
"""


@dataclass
class Served:
    """A server on loopback, a key for it, and ids of things that are there."""

    url: str
    headers: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    given: dict[str, Any] = {"data_dir": tmp_path_factory.mktemp("api"), "url_schemes": ["https"]}
    here = Settings(_env_file=None, **given)
    audio = (Path(__file__).parents[1] / "data" / "audio" / "en" / "jfk.flac").read_bytes()
    with serving(create_app(here)) as url:
        headers = {"Authorization": f"Bearer {asyncio.run(new_key(here))}"}
        with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:
            file_id = client.post("/upload", files=[("files", ("call.flac", audio))]).json()["file_ids"][0]
            asked = {"file_ids": [file_id], "model": "tiny.en"}
            job_id = client.post("/transcribe", json=asked).json()["job_id"]
            transcript_id = asyncio.run(finish(here, job_id))
        yield Served(url, headers, {"file_id": file_id, "job_id": job_id, "transcript_id": transcript_id})


async def new_key(here: Settings) -> str:
    store = Store.open(here)
    try:
        return (await store.keys.create("default", "schema"))[1]
    finally:
        await store.close()


async def finish(here: Settings, job_id: str) -> str:
    store = Store.open(here)
    try:
        return str((await complete(store, job_id)).files[0].transcript_id)
    finally:
        await store.close()


def examine(served: Served, folder: Path, *options: str, config: str = "") -> None:
    """Run schemathesis in a process of its own; its report is what a failure shows."""
    (folder / "schemathesis.toml").write_text(TIMES + config + STREAM)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
        *("run", f"{served.url}/openapi.json", "--seed=1", "--warnings=off"),
        *(f"--checks={','.join(CHECKS)}", f"--max-examples={EXAMPLES}"),
        *("-H", f"Authorization: {served.headers['Authorization']}", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=1200)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_answers_are_as_documented_whatever_is_asked(served: Served, tmp_path: Path) -> None:
    examine(served, tmp_path, "--phases=examples,coverage,fuzzing")


def test_answers_about_real_things_are_as_documented(served: Served, tmp_path: Path) -> None:
    ids = "\n".join(f'"path.{name}" = "{value}"' for name, value in served.ids.items())
    config = f'[parameters]\n{ids}\n"path.format" = "vtt"\n'
    examine(served, tmp_path, "--include-method=GET", "--phases=coverage,fuzzing", config=config)
