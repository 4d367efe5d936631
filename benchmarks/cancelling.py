"""How soon a cancellation is acknowledged, and how soon the job's CPU is free.

A DELETE is timed by its client, on jobs that are being recognised and on jobs that wait. The CPU is that of the device
process and its children (decoders), looked at every 20 ms: it is free when the last tenth of a second ends in which
they used more than a third of a core, the run's farewell to Prefect included. One call of the model, which nothing can
break off, is timed on the bare engine with the same recording.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import moments
from benchmarks.bare import BareWhisper
from benchmarks.figures import Figures, spread, table, timed
from benchmarks.recordings import long
from benchmarks.stack import Stack
from benchmarks.workbench import DATABASES, PLACES, SQLITE, Workbench

MODELS = ("base", "tiny.en")
RUNNING = 60
"""Cancellations of running jobs for each model: with both models, enough for a p99."""
WAITING = 100
PREPARING = 10
LONG_MINUTES = 15.0
"""Short enough not to be cut into parts."""
LOOK_SECONDS = 0.02
WINDOW_LOOKS = 5
BUSY_CORES = 1 / 3
POLL_SECONDS = 0.05
LONGEST_SECONDS = 30.0
QUIET_SECONDS = 0.5


def full(bench: Workbench) -> str:
    """The tables of both databases, and how long a call of the model takes."""
    recording = long(bench.new_folder() / "long.wav", LONG_MINUTES)
    figures: dict[str, Figures] = {}
    for database in DATABASES:
        with bench.product(database) as stack:
            figures[database] = _measured(stack, recording)
    calls: Figures = {}
    for model in MODELS:
        calls |= spread(f"{model}, one call of the bare engine's network", _calls(bench, model))
    return f"{table(figures)}\n\n{table({'bare': calls})}"


def quick(bench: Workbench, stack: Stack) -> str:
    """Cancelled jobs end as that, and their CPU is free before anybody is killed."""
    recording = long(bench.new_folder() / "long.wav", 3.0)
    with stack.client() as client:
        (file_id,) = stack.upload(client, recording)
        found = [_cancelled(stack, client, file_id, "tiny.en", "transcribing") for _ in range(2)]
    return table({SQLITE: _stopped("tiny.en, recognising", found)})


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Seconds from the DELETE on: until its answer, until the CPU was free, until the job's row said cancelled."""

    acknowledged: float
    free: float
    ended: float


@dataclass
class CpuWatch:
    """What a process and its children use, as (moment, seconds of CPU used so far)."""

    process: psutil.Process
    looks: list[tuple[float, float]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the block lasts."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def last_busy(self, since: float) -> float:
        """The end of the last window in which it was busy; ``since`` when it never was after that."""
        windows = zip(self.looks, self.looks[WINDOW_LOOKS:], strict=False)
        busy = [now for (then, before), (now, used) in windows if used - before > BUSY_CORES * (now - then)]
        return max((moment for moment in busy if moment > since), default=since)

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.looks.append((time.time(), self._used()))

    def _used(self) -> float:
        own = self.process.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                used += times.user + times.system
        return used


def _measured(stack: Stack, recording: Path) -> Figures:
    with stack.client() as client:
        (file_id,) = stack.upload(client, recording)
        figures = _waiting(stack, client, file_id)
        found = {
            f"{model}, recognising": [_cancelled(stack, client, file_id, model, "transcribing") for _ in range(RUNNING)]
            for model in MODELS
        }
        found["preparing"] = [_cancelled(stack, client, file_id, "base", "preparing") for _ in range(PREPARING)]
    every = [one.acknowledged for cancelled in found.values() for one in cancelled]
    figures |= spread("running, DELETE answered", every, p99=500)
    for title, cancelled in found.items():
        figures |= _stopped(title, cancelled)
    return figures


def _stopped(title: str, found: list[Cancelled]) -> Figures:
    return {
        **spread(f"{title}, DELETE to CPU free", (one.free for one in found), max=3000),
        **spread(f"{title}, DELETE to job `cancelled`", (one.ended for one in found)),
    }


def _cancelled(stack: Stack, client: httpx.Client, file_id: str, model: str, stage: str) -> Cancelled:
    """Cancel a job somewhere in that stage."""
    refresh = "refresh" if stage == "preparing" else "use"
    job_id = stack.submit(client, file_ids=[file_id], model=model, cache=refresh)
    _wait(client, job_id, lambda job: job["stage"] == stage and job["status"] == "processing")
    time.sleep(random.uniform(0.0, 1.0))
    watch = CpuWatch(psutil.Process(moments.device_pulse(stack)["pid"]))
    with watch.watching():
        time.sleep(2 * WINDOW_LOOKS * LOOK_SECONDS)
        asked = time.time()
        milliseconds, answer = timed(partial(client.delete, f"/jobs/{job_id}"))
        answer.raise_for_status()
        job = _wait(client, job_id, lambda job: job["status"] == "cancelled")
        ended = time.time() - asked
        time.sleep(QUIET_SECONDS)
    assert job["status"] == "cancelled", job
    return Cancelled(milliseconds / 1000, watch.last_busy(asked) - asked, ended)


def _waiting(stack: Stack, client: httpx.Client, file_id: str) -> Figures:
    """Cancellations of jobs that wait behind others which hold all places."""
    holders = [stack.submit(client, file_ids=[file_id], model="tiny.en") for _ in range(PLACES)]
    for job_id in holders:
        _wait(client, job_id, lambda job: job["status"] == "processing")
    jobs = [stack.submit(client, file_ids=[file_id], model="tiny.en") for _ in range(WAITING)]
    took = []
    for job_id in jobs:
        milliseconds, answer = timed(partial(client.delete, f"/jobs/{job_id}"))
        assert answer.raise_for_status().json()["status"] == "cancelled", answer.text
        took.append(milliseconds / 1000)
    for job_id in holders:
        client.delete(f"/jobs/{job_id}").raise_for_status()
        stack.finished(client, job_id)
    return spread("waiting, DELETE answered", took, p99=500)


def _wait(client: httpx.Client, job_id: str, so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    limit = time.monotonic() + LONGEST_SECONDS
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        if so(job):
            return job
        assert time.monotonic() < limit, job
        time.sleep(POLL_SECONDS)


def _calls(bench: Workbench, model: str) -> list[float]:
    """Seconds of each call of the network while the bare engine recognises two minutes of speech."""
    bare, took = BareWhisper(bench.models), list[float]()
    whisper = bare.load(model)
    whisper.model = _Timed(whisper.model, took)
    bare.text(long(bench.new_folder() / "two-minutes.wav", 2.0), model)
    return took


@dataclass
class _Timed:
    """A network whose calls are timed."""

    network: Any
    took: list[float]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.network, name)
        if name not in ("encode", "generate", "align", "detect_language"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            milliseconds, outcome = timed(lambda: found(*args, **kwargs))
            self.took.append(milliseconds / 1000)
            return outcome

        return call
