"""How long clients wait: submitting and asking for the status, while a job runs.

A recording of many minutes is at work all the time. First its status is asked for; then 50 jobs are submitted one
after the other; then the status is asked for while workers, control and Prefect have their hands full with those. Each
request is timed by the client on one open connection, on SQLite.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks import recordings
from benchmarks.figures import percentile, timed
from benchmarks.stack import Stack

LONG_MINUTES = 30


def measure(stack: Stack, clip: Path, submissions: int = 50, polls: int = 300) -> dict[str, float]:
    """Milliseconds: p50 and p95 of `POST /transcribe` and of `GET /jobs/{id}`."""
    with stack.client() as client:
        short, long = stack.upload(client, clip, recordings.long(stack.data_dir / "long.wav", LONG_MINUTES))
        running = stack.submit(client, file_ids=[long], model="tiny.en", cache="refresh")
        _wait_until_it_runs(client, running)
        calm = [timed(lambda: _status(client, running))[0] for _ in range(polls)]
        body: dict[str, Any] = {"file_ids": [short], "model": "tiny.en", "cache": "refresh"}
        posts, jobs = [], []
        for _ in range(submissions):
            milliseconds, job_id = timed(lambda: stack.submit(client, **body))
            posts.append(milliseconds)
            jobs.append(job_id)
        busy = [timed(lambda job=job: _status(client, job))[0] for job in _cycle([running, *jobs], polls)]
        assert _status(client, running)["status"] == "processing", "the long job ended too early"
        client.delete(f"/jobs/{running}").raise_for_status()
        for job_id in jobs:
            assert stack.finished(client, job_id)["status"] == "completed"
    figures = {"submit": posts, "status": calm, f"status, {submissions} more jobs at work": busy}
    return {
        f"{name} {label} ms": value
        for name, values in figures.items()
        for label, value in (("p50", statistics.median(values)), ("p95", percentile(values, 95)))
    }


def _wait_until_it_runs(client: httpx.Client, job_id: str) -> None:
    limit = time.monotonic() + 120
    while _status(client, job_id)["stage"] != "transcribing":
        assert time.monotonic() < limit, "the long job does not begin"
        time.sleep(0.2)


def _status(client: httpx.Client, job_id: str) -> dict[str, object]:
    shown: dict[str, object] = client.get(f"/jobs/{job_id}").raise_for_status().json()
    return shown


def _cycle(jobs: list[str], count: int) -> list[str]:
    return [jobs[index % len(jobs)] for index in range(count)]
