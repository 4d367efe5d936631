"""Prefect carries ids only, and what was deleted is gone: searched for in every byte that the product keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.stack import Stack, running_stack

pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]

PROMPT = "zanzibar quagmire heliotrope"
SECRET = "s3cr3t-0f-the-qu3ry"
SPOKEN = "fellow americans"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, tiny_en: Path) -> Iterator[Stack]:
    """A product of its own: jobs of other tests keep what was said in the same recording."""
    with running_stack(tmp_path_factory.mktemp("private"), models_dir) as running:
        yield running


def holders(folder: Path, *needles: str) -> list[str]:
    """Files below the folder that hold one of the phrases, in any case."""
    wanted = [needle.lower().encode() for needle in needles]
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(needle in path.read_bytes().lower() for needle in wanted)
    ]


def checkpoint(database: Path) -> None:
    """Bring what SQLite keeps beside its file into the file, and drop the pages of deleted rows."""
    with sqlite3.connect(database, timeout=30) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_prefect_and_the_logs_never_hear_a_word(stack: Stack, client: httpx.Client, jfk: Path) -> None:
    (file_id,) = stack.upload(client, jfk)
    body = {
        "model": "tiny.en",
        "file_ids": [file_id],
        "urls": [f"https://recordings.invalid/recording.mp3?token={SECRET}"],
        "initial_prompt": PROMPT,
        "hotwords": ["heliotrope"],
        "output_formats": "all",
    }
    job_id = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
    job = stack.finished(client, job_id)
    assert (job["status"], job["files_failed"]) == ("completed", 1)
    assert job["files"][1]["error_code"] == "download_failed"
    assert SECRET not in str(job)
    assert SPOKEN in client.get(f"/results/{job_id}/txt", params={"file_id": file_id}).text.lower()
    assert not holders(stack.data_dir / "prefect", PROMPT, SECRET, SPOKEN)
    assert not any(needle in stack.log.read_text().lower() for needle in (PROMPT, SECRET, SPOKEN))

    assert client.delete(f"/results/{job_id}").status_code == 204
    gone = client.get(f"/results/{job_id}/txt")
    assert (gone.status_code, gone.json()["code"]) == (410, "result_expired")
    assert client.delete(f"/files/{file_id}").status_code == 204
    assert client.get(f"/jobs/{job_id}").json()["status"] == "completed"
    for database in stack.data_dir.glob("*.db"):
        checkpoint(database)
    assert not holders(stack.data_dir, PROMPT, SECRET, SPOKEN)
    audio = jfk.read_bytes()[1000:1064].lower().decode("latin-1")
    assert not [path for path in (stack.data_dir / "blobs").rglob("*") if path.is_file() and job_id in str(path)]
    assert not [
        path
        for path in (stack.data_dir / "blobs").rglob("*")
        if path.is_file() and audio.encode("latin-1") in path.read_bytes().lower()
    ]


def test_not_even_the_name_of_a_file_that_fails(stack: Stack, client: httpx.Client, jfk: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "zebrafish4711.flac"
    damaged.write_bytes(jfk.read_bytes()[:60_000])
    body = {
        "model": "tiny.en",
        "file_ids": stack.upload(client, damaged),
        "urls": ["https://ocelot4712.invalid/lynx4713.mp3"],
    }
    job_id = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
    job = stack.finished(client, job_id)
    assert (job["status"], job["error_code"]) == ("failed", "invalid_audio")
    assert "zebrafish4711" in job["error"]
    assert not holders(stack.data_dir / "prefect", "zebrafish4711", "ocelot4712", "lynx4713")
