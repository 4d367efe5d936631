"""The main job through all floors: HTTP, Prefect, a warm worker, real weights, real speech."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import webvtt

from benchmarks.stack import Stack

pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]

QUOTE = "ask not what your country can do for you"


def submit(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/transcribe", json={"model": "tiny.en", **body})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    assert answer.headers["location"].endswith(job_id)
    return job_id


@pytest.fixture(scope="module")
def speech(stack: Stack, jfk: Path) -> str:
    with stack.client() as client:
        (file_id,) = stack.upload(client, jfk)
    return file_id


@pytest.fixture(scope="module")
def job(stack: Stack, speech: str) -> dict[str, Any]:
    with stack.client() as client:
        body = {"file_ids": [speech], "output_formats": ["json", "vtt", "srt"], "metadata": {"mine": [1, "ü"]}}
        return stack.finished(client, submit(client, body))


def test_the_job_completes_and_says_what_it_did(job: dict[str, Any], speech: str) -> None:
    assert (job["status"], job["stage"], job["progress"], job["attempt"]) == ("completed", "done", 100, 1)
    assert (job["total_files"], job["files_failed"], job["error"]) == (1, 0, None)
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    assert job["metadata"] == {"mine": [1, "ü"]}
    (file,) = job["files"]
    assert (file["file_id"], file["status"], file["provider"], file["model"]) == (
        speech,
        "completed",
        "faster_whisper",
        "tiny.en",
    )


def test_it_really_ran_through_prefect_which_knows_ids_only(stack: Stack, job: dict[str, Any]) -> None:
    run = httpx.get(f"{stack.prefect_url}/flow_runs/{job['flow_run_id']}", trust_env=False).json()
    assert run["state"]["type"] == "COMPLETED"
    assert run["parameters"] == {"job_id": job["job_id"], "submission": 1}
    assert job["flow_run_id"] in job["flow_run_url"]
    asked = {"flow_runs": {"id": {"any_": [job["flow_run_id"]]}}}

    def tasks() -> set[str]:
        found = httpx.post(f"{stack.prefect_url}/task_runs/filter", json=asked, trust_env=False).json()
        return {task["name"].split("-")[0] for task in found}

    # Prefect records task runs from their events, in batches: the last ones may come after the run's end.
    expected = {"fetch", "prepare", "transcribe", "assemble", "render"}
    limit = time.monotonic() + 60
    while not tasks() >= expected and time.monotonic() < limit:
        time.sleep(0.2)
    assert tasks() == expected


def test_the_words_are_right_and_in_order(client: httpx.Client, job: dict[str, Any]) -> None:
    result = client.get(f"/results/{job['job_id']}/json").json()
    assert QUOTE in result["text"].lower().replace(",", "")
    assert (result["language"], result["filename"], result["duration"]) == ("en", "jfk.flac", 11.0)
    words = [word for segment in result["segments"] for word in segment["words"]]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    assert all(0 <= word["start"] <= word["end"] <= 11 and 0 <= word["confidence"] <= 1 for word in words)
    for segment in result["segments"]:
        assert segment["text"] == "".join(" " * word["space_before"] + word["text"] for word in segment["words"])
    assert result["model_digest"].startswith("sha256:")
    assert set(result["stages"]) >= {"prepare", "transcribe", "render"}


@pytest.mark.parametrize("name", ["vtt", "srt", "txt", "tsv", "rttm"])
def test_every_format_can_be_had(client: httpx.Client, job: dict[str, Any], name: str) -> None:
    answer = client.get(f"/results/{job['job_id']}/{name}")
    assert answer.status_code == 200
    assert f"jfk.{name}" in answer.headers["content-disposition"]
    again = client.get(f"/results/{job['job_id']}/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_strict_parsers_read_the_subtitles(client: httpx.Client, job: dict[str, Any]) -> None:
    text = client.get(f"/results/{job['job_id']}/vtt").text
    cues = list(webvtt.from_buffer(io.StringIO(text)))
    assert QUOTE in " ".join(" ".join(cue.text for cue in cues).split()).lower().replace(",", "")


def test_the_same_work_again_is_found_done(stack: Stack, client: httpx.Client, speech: str, job: Any) -> None:
    again = stack.finished(client, submit(client, {"file_ids": [speech], "output_formats": ["tsv"]}))
    first, second = (client.get(f"/results/{one['job_id']}/json").json() for one in (job, again))
    assert second["text"] == first["text"]
    assert second["stages"]["transcribe"] < first["stages"]["transcribe"] / 4


def test_one_damaged_file_fails_alone_and_same_names_do_not_collide(
    stack: Stack, client: httpx.Client, jfk: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    damaged, twin = tmp_path / "damaged.flac", tmp_path / "a" / "jfk.flac"
    damaged.write_bytes(jfk.read_bytes()[:60_000])
    twin.write_bytes(jfk.read_bytes())
    ids = stack.upload(client, jfk, damaged, twin)
    job = stack.finished(client, submit(client, {"file_ids": ids}))
    assert (job["status"], job["total_files"], job["files_failed"]) == ("completed", 3, 1)
    assert [file["error_code"] for file in job["files"]] == [None, "invalid_audio", None]
    for file_id in (ids[0], ids[2]):
        assert QUOTE in client.get(f"/results/{job['job_id']}/txt", params={"file_id": file_id}).text.lower().replace(
            ",", ""
        )
    assert client.get(f"/results/{job['job_id']}/txt").json()["code"] == "file_id_required"
    archive = client.get(f"/results/{job['job_id']}/archive", params={"formats": "vtt,json"})
    names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    assert len(names) == len(set(names)) == 4


def test_a_job_without_one_good_file_fails_with_its_reason(
    stack: Stack, client: httpx.Client, jfk: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(jfk.read_bytes()[:60_000])
    ids = stack.upload(client, damaged)
    job = stack.finished(client, submit(client, {"file_ids": ids}))
    assert (job["status"], job["error_code"], job["files_failed"]) == ("failed", "invalid_audio", 1)
    assert job["progress"] < 100
    answer = client.get(f"/results/{job['job_id']}/vtt")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_failed")


def test_silence_gives_no_words_and_valid_files(stack: Stack, client: httpx.Client, silence: Path) -> None:
    ids = stack.upload(client, silence)
    for vad in (True, False):
        job = stack.finished(client, submit(client, {"file_ids": ids, "vad": {"enabled": vad}}))
        assert job["status"] == "completed"
        assert client.get(f"/results/{job['job_id']}/json").json()["text"] == ""
        assert client.get(f"/results/{job['job_id']}/vtt").text.startswith("WEBVTT")


def test_a_cancelled_job_stays_cancelled(stack: Stack, client: httpx.Client, speech: str) -> None:
    jobs = [submit(client, {"file_ids": [speech], "cache": "refresh"}) for _ in range(6)]
    answer = client.delete(f"/jobs/{jobs[-1]}")
    assert answer.status_code == 202
    assert answer.json()["status"] in ("cancelled", "cancelling")
    assert client.delete(f"/jobs/{jobs[-1]}").status_code == 202
    assert stack.finished(client, jobs[-1])["status"] == "cancelled"
    assert client.get(f"/results/{jobs[-1]}/vtt").json()["code"] == "job_cancelled"
    for job_id in jobs[:-1]:
        assert stack.finished(client, job_id)["status"] == "completed"
    refused = client.delete(f"/jobs/{jobs[0]}")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_finished")
