"""Nothing accepted is lost: everything killed at once, and Prefect away while jobs come in."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from benchmarks.stack import Stack, running_stack

pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]


def submit(stack: Stack, file_id: str) -> str:
    with stack.client() as client:
        body = {"file_ids": [file_id], "model": "tiny.en", "cache": "refresh"}
        job_id: str = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
        return job_id


def statuses(stack: Stack, jobs: list[str]) -> list[str]:
    with stack.client() as client:
        return [stack.finished(client, job_id)["status"] for job_id in jobs]


def prefect_of(stack: Stack) -> psutil.Process:
    (found,) = [
        child
        for child in psutil.Process(stack.process.pid).children(recursive=True)
        if "orchestration.prefect_main" in child.cmdline()
    ]
    return found


def test_jobs_outlive_everything_being_killed(tmp_path: Path, models_dir: Path, tiny_en: Path, jfk: Path) -> None:
    with running_stack(tmp_path, models_dir) as stack:
        with stack.client() as client:
            (file_id,) = stack.upload(client, jfk)
        jobs = [submit(stack, file_id) for _ in range(4)]
        family = [psutil.Process(stack.process.pid), *psutil.Process(stack.process.pid).children(recursive=True)]
        stack.process.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive, f"these outlived their supervisor: {[process.cmdline() for process in alive]}"
    with running_stack(tmp_path, models_dir) as stack:
        assert statuses(stack, jobs) == ["completed"] * 4
        with stack.client() as client:
            assert client.get(f"/results/{jobs[0]}/txt").status_code == 200


def test_jobs_are_accepted_while_prefect_is_away(tmp_path: Path, models_dir: Path, tiny_en: Path, jfk: Path) -> None:
    with running_stack(tmp_path, models_dir) as stack:
        with stack.client() as client:
            (file_id,) = stack.upload(client, jfk)
            prefect = prefect_of(stack)
            prefect.kill()
            prefect.wait(30)
            job_id = submit(stack, file_id)
            job = client.get(f"/jobs/{job_id}").json()
            assert (job["status"], job["queue_position"]) == ("queued", 1)
            assert client.get("/health/ready").status_code == 200
        assert statuses(stack, [job_id]) == ["completed"]
        assert prefect_of(stack).pid != prefect.pid
