"""From a client's POST on an idle warm worker to the first line of the flow, to the events, and to the end.

One job after the other, with pauses of half a second to a second and a half, each on a clip of ten seconds of its own;
between two jobs bare faster-whisper recognises the clip of the job (decoding and VAD included, in this process), so
that machine and moment are the same for both. The overhead is the median of the differences, clip by clip.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import moments, stock
from benchmarks.bare import BareWhisper
from benchmarks.figures import Figure, Figures, spread, table, timed
from benchmarks.following import Followed, follow
from benchmarks.moments import JobMoments
from benchmarks.recordings import clips
from benchmarks.stack import Stack
from benchmarks.workbench import DATABASES, Workbench

MODELS = ("tiny.en", "base")
SAMPLES = 30
STOCK_SAMPLES = 12
CLIP_SECONDS = 10.0
PAUSE_SECONDS = (0.5, 1.5)
STOCK_QUERY_SECONDS = (10.0, 1.0)
"""Prefect's default, and the shortest that people set."""
BEAT_SECONDS = 4.0
"""After which a worker has beaten with what it has now."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One job on an idle worker, and ``bare`` seconds of its clip without the product."""

    followed: Followed
    row: JobMoments
    run: dict[str, float]
    bare: float

    @property
    def first_line(self) -> float:
        """Seconds from the POST to the first line of the flow."""
        assert self.row.begun is not None
        return self.row.begun - self.followed.posted

    @property
    def overhead(self) -> float:
        """Seconds that the job took, as its client saw it, beyond the bare engine."""
        return self.followed.ended - self.followed.posted - self.bare


def full(bench: Workbench) -> str:
    """The tables: on both databases, and Prefect's own worker beside ours."""
    figures, ways = {}, {}
    for database in DATABASES:
        with bench.product(database) as stack:
            samples = {model: _samples(stack, bench, model) for model in MODELS}
            figures[database] = _first_lines(samples) | _beside(stack, bench.new_folder()) | _whole(stack, samples)
            ways[database] = _way([sample for found in samples.values() for sample in found])
    return f"{table(figures)}\n\nWhere the time to the first line goes, p50 from the POST on:\n\n{table(ways)}"


def quick(bench: Workbench, stack: Stack) -> str:
    """Jobs on an idle worker complete, each state comes after the one before, and the model is loaded once."""
    samples = _samples(stack, bench, "tiny.en", 3)
    for sample in samples:
        assert sample.followed.end == "completed", sample
        assert sample.followed.posted < sample.run["running"] <= sample.first_line + sample.followed.posted, sample
    loads = _loads(stack)
    assert loads["models loaded"].value == loads["models loaded"].at_most, loads
    return table({"SQLite": _first_lines({"tiny.en": samples}) | loads})


def _samples(stack: Stack, bench: Workbench, model: str, count: int = SAMPLES) -> list[Sample]:
    bare = BareWhisper(bench.models)
    recordings = clips(bench.new_folder(), CLIP_SECONDS, count + 1)
    with stack.client() as client:
        files = [stack.upload(client, path)[0] for path in recordings]
        bare.text(recordings[0], model)  # both load their models with the first clip, which does not count
        follow(stack, client, file_ids=files[:1], model=model)
        found = []
        for path, file_id in zip(recordings[1:], files[1:], strict=True):
            milliseconds, _ = timed(partial(bare.text, path, model))
            time.sleep(random.uniform(*PAUSE_SECONDS))
            found.append((follow(stack, client, file_ids=[file_id], model=model), milliseconds / 1000))
    rows = moments.of_jobs(stack)
    return [_sample(stack, followed, rows[followed.job_id], seconds) for followed, seconds in found]


def _sample(stack: Stack, followed: Followed, row: JobMoments, bare: float) -> Sample:
    assert row.flow_run_id is not None, "a job that ended has a run"
    return Sample(followed, row, moments.of_run(stack, row.flow_run_id), bare)


def _first_lines(samples: dict[str, list[Sample]]) -> Figures:
    every = [sample for found in samples.values() for sample in found]
    told = [sample.followed.processing - sample.followed.posted for sample in every]
    return {
        **spread("POST to first line of the flow", (sample.first_line for sample in every), p50=250, p95=450),
        **spread("POST to event `processing`", told),
    }


def _whole(stack: Stack, samples: dict[str, list[Sample]]) -> Figures:
    """Of jobs as a whole, model by model, and how often models were loaded for all of them."""
    figures: Figures = {}
    for model, found in samples.items():
        took = [sample.followed.ended - sample.followed.posted for sample in found]
        figures |= spread(f"{model}, POST to event `completed`", took)
        figures |= spread(f"{model}, bare engine", (sample.bare for sample in found))
        figures |= spread(f"{model}, overhead of the whole job", (sample.overhead for sample in found), p50=500)
    return figures | _loads(stack)


def _loads(stack: Stack) -> Figures:
    """How often models were loaded: each once."""
    time.sleep(BEAT_SECONDS)
    pulse = moments.device_pulse(stack)
    return {"models loaded": Figure(pulse["loads"], len(pulse["models"]))}


def _beside(stack: Stack, folder: Path) -> Figures:
    """A flow of one line on our worker, and on Prefect's own."""
    figures = spread("tiny flow, our worker, call to first line", stock.on_our_worker(stack, SAMPLES))
    for every in STOCK_QUERY_SECONDS:
        title = f"tiny flow, `process` worker looking every {every:g} s, call to first line"
        figures |= spread(title, stock.on_stock_worker(stack, folder, STOCK_SAMPLES, every))
    return figures


def _way(samples: list[Sample]) -> Figures:
    """What had happened after how many milliseconds."""

    def after(moment: Callable[[Sample], float | None]) -> Figure:
        return Figure(1000 * statistics.median((moment(sample) or 0.0) - sample.followed.posted for sample in samples))

    return {
        "job stored, ms": after(lambda sample: sample.row.created),
        "POST answered, ms": after(lambda sample: sample.followed.answered),
        "control calls Prefect, ms": after(lambda sample: sample.run["scheduled"]),
        "Prefect has the run, ms": after(lambda sample: sample.run["created"]),
        "the worker claims it, ms": after(lambda sample: sample.run["pending"]),
        "the engine says Running, ms": after(lambda sample: sample.run["running"]),
        "first line of the flow, ms": after(lambda sample: sample.row.begun),
        "event `processing` at the client, ms": after(lambda sample: sample.followed.processing),
        "Prefect hears Completed, ms before the event `completed`": Figure(
            1000 * statistics.median(sample.followed.ended - sample.run["completed"] for sample in samples)
        ),
    }
