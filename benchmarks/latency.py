"""How long clients wait: submitting and asking for the status, while a job runs.

50 sequential submissions on SQLite, and status GETs between them, with at least one job running all the time. Each
request is timed by the client on one open connection. `quick` checks the invariants and few samples.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx

from benchmarks.stack import Stack

T = TypeVar("T")


def measure(stack: Stack, clip: Path, submissions: int = 50, polls: int = 200) -> dict[str, float]:
    """Milliseconds: p50 and p95 of `POST /transcribe` and of `GET /jobs/{id}`."""
    with stack.client() as client:
        (file_id,) = stack.upload(client, clip)
        body = {"file_ids": [file_id], "model": "tiny.en", "cache": "refresh"}
        running = _submit(client, body)
        posts, jobs = [], [running]
        for _ in range(submissions):
            milliseconds, job_id = timed(lambda: _submit(client, body))
            posts.append(milliseconds)
            jobs.append(job_id)
        gets = [timed(lambda job=job: client.get(f"/jobs/{job}").raise_for_status())[0] for job in _cycle(jobs, polls)]
        for job_id in jobs:
            assert stack.finished(client, job_id)["status"] == "completed"
    return {
        "submit p50 ms": statistics.median(posts),
        "submit p95 ms": percentile(posts, 95),
        "status p50 ms": statistics.median(gets),
        "status p95 ms": percentile(gets, 95),
        "jobs": float(len(jobs)),
    }


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds that the call took, and what it gave."""
    began = time.perf_counter()
    outcome = work()
    return (time.perf_counter() - began) * 1000, outcome


def _submit(client: httpx.Client, body: dict[str, object]) -> str:
    answer = client.post("/transcribe", json=body)
    answer.raise_for_status()
    job_id: str = answer.json()["job_id"]
    return job_id


def _cycle(jobs: list[str], count: int) -> list[str]:
    return [jobs[index % len(jobs)] for index in range(count)]
