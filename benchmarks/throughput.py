"""Many clips at once, against the bare engine fed by a loop; and how many jobs one copy of a model carries.

The bare engine is one `WhisperModel` on all cores in this process, decoding and VAD included, fed by as many threads as
the worker runs jobs at once. It is timed before the products are started and after they have ended, and its wall time
is the mean of both, so that a machine that changes its pace shows. A product's time runs from the first POST to the
moment at which the last run is Completed; clips are uploaded before.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks import moments
from benchmarks.bare import BareWhisper
from benchmarks.figures import Figure, Figures, table, timed
from benchmarks.recordings import clips, long
from benchmarks.stack import Stack
from benchmarks.workbench import DATABASES, PLACES, Workbench

JOB_SECONDS = 600.0
LOOK_SECONDS = 0.1
SETTLED_SECONDS = 20.0
"""For how long memory is looked at while jobs are at work."""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """So many clips of a length for a model."""

    model: str
    seconds: float
    count: int = 50

    @property
    def title(self) -> str:
        """As the table calls it."""
        return f"{self.model}, {self.count} clips of {self.seconds:g} s"


LOADS = (Load("base", 10.0), Load("base", 3.0), Load("tiny.en", 10.0), Load("tiny.en", 3.0))
WARM = Load("tiny.en", 3.0, 8)


def full(bench: Workbench) -> str:
    """The tables of both databases."""
    paths = {load: clips(bench.new_folder(), load.seconds, load.count) for load in LOADS}
    before = _bare(bench, paths)
    figures: dict[str, Figures] = {}
    took: dict[str, dict[Load, float]] = {}
    for database in DATABASES:
        with bench.product(database) as stack:
            took[database] = {load: _product(stack, load, paths[load]) for load in LOADS}
    after = _bare(bench, paths)
    for database, seconds in took.items():
        figures[database] = _compared(seconds, before, after)
    sharing = {}
    for database in DATABASES:
        with bench.product(database) as stack:
            sharing[database] = _sharing(stack, bench.new_folder(), "base")
    return f"{table(figures)}\n\n{PLACES} jobs at once on one copy of base:\n\n{table(sharing)}"


def quick(bench: Workbench, stack: Stack) -> str:
    """Clips that come together all complete."""
    seconds = _product(stack, WARM, clips(bench.new_folder(), WARM.seconds, WARM.count))
    return table({"SQLite": {f"{WARM.title}, wall s": Figure(seconds)}})


def _bare(bench: Workbench, paths: dict[Load, list[Path]]) -> dict[Load, float]:
    """Wall seconds of each load; the model is loaded and has run once before."""
    bare, found = BareWhisper(bench.models), {}
    for load, recordings in paths.items():
        bare.text(recordings[0], load.model)
        found[load] = timed(partial(bare.feed, recordings, load.model, PLACES))[0] / 1000
    return found


def _product(stack: Stack, load: Load, paths: list[Path]) -> float:
    """Wall seconds of a load, from the first POST to the last job's end."""
    with stack.client() as client:
        files = [stack.upload(client, path)[0] for path in paths]
        warm = stack.submit(client, file_ids=files[:1], model=load.model, cache="refresh")
        assert stack.finished(client, warm)["status"] == "completed"
        began = time.time()
        jobs = [stack.submit(client, file_ids=[file_id], model=load.model, cache="refresh") for file_id in files]
        for job_id in jobs:
            assert stack.finished(client, job_id, JOB_SECONDS, every=0.5)["status"] == "completed"
    ends = [row.completed for row in moments.of_jobs(stack, jobs).values() if row.completed is not None]
    return max(ends) - began


def _compared(took: dict[Load, float], before: dict[Load, float], after: dict[Load, float]) -> Figures:
    found: Figures = {}
    for load, seconds in took.items():
        bare = statistics.mean((before[load], after[load]))
        found[f"{load.title}, wall s"] = Figure(seconds)
        found[f"{load.title}, bare engine before, s"] = Figure(before[load])
        found[f"{load.title}, bare engine after, s"] = Figure(after[load])
        found[f"{load.title}, ratio"] = Figure(seconds / bare, 1.25)
    return found


def _sharing(stack: Stack, folder: Path, model: str) -> Figures:
    """Long jobs at once: all at work, one load, and the memory of the process that has the model."""
    with stack.client() as client:
        files = [stack.upload(client, long(folder / f"{index}.wav", 5 + index / 60))[0] for index in range(PLACES)]
        device = psutil.Process(moments.device_pulse(stack)["pid"])
        empty = device.memory_info().rss
        jobs = [stack.submit(client, file_ids=files[:1], model=model)]
        _wait_until_at_work(stack, jobs)
        one = _peak(device)
        jobs += [stack.submit(client, file_ids=[file_id], model=model) for file_id in files[1:]]
        together = _wait_until_at_work(stack, jobs)
        many = _peak(device)
        pulse = moments.device_pulse(stack)
        for job_id in jobs:
            client.delete(f"/jobs/{job_id}").raise_for_status()
    return {
        "jobs in `processing` together": Figure(together),
        "times that the model was loaded": Figure(pulse["loads"], 1),
        "device process without a model, MB": Figure(empty / MB),
        "with one job, peak MB": Figure(one / MB),
        f"with {PLACES} jobs, peak MB": Figure(many / MB),
        "each further job, MB": Figure((many - one) / MB / (PLACES - 1)),
    }


def _wait_until_at_work(stack: Stack, jobs: list[str]) -> int:
    """How many of the jobs are in `processing` together: all of them, once that is so."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        at_work = [row for row in moments.of_jobs(stack, jobs).values() if row.status == "processing"]
        if len(at_work) == len(jobs):
            return len(at_work)
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"{len(at_work)} of {len(jobs)} jobs are at work; see {stack.log}")


def _peak(process: psutil.Process) -> int:
    """The largest resident memory of a process, looked at for some time."""
    return max(process.memory_info().rss for _ in _looks(SETTLED_SECONDS))


def _looks(seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield
        time.sleep(LOOK_SECONDS)
