"""How long clients wait: submitting and asking for the status, while a job runs.

A recording of many minutes is at work all the time. First its status is asked for; then 50 jobs are submitted one
after the other; then the status is asked for while workers, control and Prefect have their hands full with those. Each
request is timed by the client on one open connection, on SQLite.
"""

from __future__ import annotations

import statistics
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np

from benchmarks.stack import Stack

T = TypeVar("T")

LONG_MINUTES = 30


def measure(stack: Stack, clip: Path, submissions: int = 50, polls: int = 300) -> dict[str, float]:
    """Milliseconds: p50 and p95 of `POST /transcribe` and of `GET /jobs/{id}`."""
    with stack.client() as client:
        short, long = stack.upload(client, clip, _repeated(clip, stack.data_dir / "long.wav"))
        running = _submit(client, {"file_ids": [long], "model": "tiny.en", "cache": "refresh"})
        _wait_until_it_runs(client, running)
        calm = [timed(lambda: _status(client, running))[0] for _ in range(polls)]
        body = {"file_ids": [short], "model": "tiny.en", "cache": "refresh"}
        posts, jobs = [], []
        for _ in range(submissions):
            milliseconds, job_id = timed(lambda: _submit(client, body))
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


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds that the call took, and what it gave."""
    began = time.perf_counter()
    outcome = work()
    return (time.perf_counter() - began) * 1000, outcome


def _repeated(clip: Path, target: Path) -> Path:
    """The clip again and again, ``LONG_MINUTES`` long."""
    from faster_whisper.audio import decode_audio

    samples = decode_audio(str(clip))
    times = LONG_MINUTES * 60 * 16_000 // samples.size
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.tile((samples * 32767).astype("<i2"), times).tobytes())
    return target


def _wait_until_it_runs(client: httpx.Client, job_id: str) -> None:
    limit = time.monotonic() + 120
    while _status(client, job_id)["stage"] != "transcribing":
        assert time.monotonic() < limit, "the long job does not begin"
        time.sleep(0.2)


def _status(client: httpx.Client, job_id: str) -> dict[str, object]:
    shown: dict[str, object] = client.get(f"/jobs/{job_id}").raise_for_status().json()
    return shown


def _submit(client: httpx.Client, body: dict[str, object]) -> str:
    answer = client.post("/transcribe", json=body)
    answer.raise_for_status()
    job_id: str = answer.json()["job_id"]
    return job_id


def _cycle(jobs: list[str], count: int) -> list[str]:
    return [jobs[index % len(jobs)] for index in range(count)]
