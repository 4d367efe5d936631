"""`python -m benchmarks.diarization_long [--minutes 30 180]`: speakers of long recordings: time, memory.

Composes conversations of six voices from the utterances of tests/data/audio, with pauses and overlaps, whose turns are
known, and tells their speakers apart as a job does, each in a process of its own. `--grown 3` then draws the last one
over three hours from what the networks heard, again and again: clustering and turns are what grows with the length, so
that their memory is seen without hours of waiting. Fails when a process holds more than 3 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audio.spool import Spool
from engine.engine import Engine
from providers.context import ProviderContext
from providers.diarizer import SpeakerBounds
from providers.pyannote_diarizer import PyannoteDiarizer
from providers.pyannote_hearing import Heard, hear
from providers.pyannote_turns import from_heard
from providers.role import StepWatch
from speech.diarization import Diarization, Turn
from speech.settings import Settings
from weights.store import WeightStore

ROOT = Path(__file__).parent.parent
SPEECH = ROOT / "tests" / "data" / "audio"
RESULT = ROOT / "benchmarks" / "results" / "diarization.md"
RATE = 16_000
ALLOWED_MB = 3000
OVERLAPS = 0.15
"""The share of turns that begin before the one before is over."""


@dataclass(frozen=True)
class Row:
    """One recording: ``error`` is the diarization error rate without a collar, overlaps counted."""

    recording: str
    work: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    speakers: int
    error: float

    def __str__(self) -> str:
        return (
            f"| {self.recording} | {self.work} | {self.seconds:.0f} | {self.cpu_seconds:.0f} | {self.peak_mb:.0f} | "
            f"{self.speakers} | {100 * self.error:.1f} |"
        )


def compose(target: Path, seconds: float, seed: int = 1) -> list[Turn]:
    """Write a spool of voices in turn, of about so many seconds; who speaks when in it."""
    chance = random.Random(seed)
    voices = _voices()
    turns: list[Turn] = []
    mixed = np.zeros(int((seconds + 20) * RATE), dtype=np.float32)
    at, speaker = 0.5, ""
    while at < seconds:
        speaker = chance.choice([name for name in voices if name != speaker])
        clip = chance.choice(voices[speaker])
        first = int(at * RATE)
        mixed[first : first + len(clip)] += clip
        end = at + len(clip) / RATE
        turns.append(Turn(at, end, speaker))
        at = end - chance.uniform(0.3, 1.0) if chance.random() < OVERLAPS else end + chance.uniform(0.2, 1.2)
    mixed = mixed[: int(turns[-1].end * RATE)]
    (np.clip(mixed, -1, 1) * 32767).astype("<i2").tofile(target)
    return turns


def _voices() -> dict[str, list[np.ndarray[Any, Any]]]:
    from faster_whisper.audio import decode_audio

    voices: dict[str, list[np.ndarray[Any, Any]]] = {}
    for line in (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        clip = np.asarray(decode_audio(str(SPEECH / row["path"])), dtype=np.float32)
        voices.setdefault(row["speaker"], []).append(0.1 * clip / max(float(np.sqrt((clip**2).mean())), 1e-6))
    return voices


def error_rate(reference: list[Turn], found: Diarization) -> float:
    """Diarization error rate without a collar, overlaps counted."""
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotated(turns: Iterator[Turn]) -> Any:
        annotation = Annotation()
        for number, turn in enumerate(turns):
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
        return annotation

    return float(DiarizationErrorRate()(annotated(iter(reference)), annotated(iter(found.turns))))


def measure(minutes: float, grown_hours: float, models: Path) -> list[Row]:
    """Compose, tell apart, and say what it took; runs in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="diarization-long-") as name:
        target = Path(name) / "spool.pcm"
        reference = compose(target, minutes * 60)
        settings = Settings(_env_file=None, data_dir=Path(name), models_dir=models, device="cpu", cpu_threads=1)  # type: ignore[call-arg]
        engine = Engine.from_settings(settings)
        diarizer = PyannoteDiarizer(ProviderContext(settings, WeightStore.from_settings(settings), engine))
        spool, clock = Spool.at(target), _Clock()
        with diarizer._pipeline(StepWatch()) as pipeline:
            heard = hear(spool, lambda: nullcontext(pipeline), clock.said)
            found = from_heard(heard, pipeline, SpeakerBounds(), spool.duration)
            rows.append(clock.row(f"{minutes:g} min", "all", found, error_rate(reference, found)))
            if grown_hours:
                rows.append(_grown(pipeline, heard, reference, grown_hours))
    return rows


def _grown(pipeline: Any, heard: Heard, reference: list[Turn], hours: float) -> Row:
    """Clusters and turns of a recording of so many hours, made of what was heard in this one again and again."""
    windows, frames = heard.windows, 27  # after so many windows pyannote's grid of frames repeats
    kept = windows.count // frames * frames
    period = kept * windows.step / RATE
    times = -(-int(hours * 3600) // int(period))
    long = Heard(
        replace(windows, count=kept * times),
        np.tile(heard.active[:kept], (times, 1, 1)),
        np.tile(heard.voices[:kept], (times, 1, 1)),
    )
    clock = _Clock()
    found = from_heard(long, pipeline, SpeakerBounds(), times * period)
    known = [
        Turn(turn.start + number * period, min(turn.end, period) + number * period, turn.speaker)
        for number in range(times)
        for turn in reference
        if turn.start < period
    ]
    return clock.row(f"{hours:g} h", "clusters and turns alone", found, error_rate(known, found))


class _Clock:
    """Time and memory since it was made."""

    def __init__(self) -> None:
        self.began, self.cpu, self.told = time.monotonic(), time.process_time(), 0.0

    def said(self, share: float) -> None:
        if share - self.told > 0.05:
            self.told = share
            print(f"{share:.0%} after {time.monotonic() - self.began:.0f} s", file=sys.stderr, flush=True)

    def row(self, recording: str, work: str, found: Diarization, error: float) -> Row:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        wall, cpu = time.monotonic() - self.began, time.process_time() - self.cpu
        return Row(recording, work, wall, cpu, peak, len(found.speakers), error)


def report(rows: list[Row]) -> str:
    """The figures as a page."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    head = (
        "| recording | work | seconds | of a core | peak of memory, MB | speakers (6) | DER % |\n" + "| --- " * 7 + "|"
    )
    return "\n\n".join(
        [
            "# diarization",
            f"`{' '.join(['python -m benchmarks.diarization_long', *sys.argv[1:]])}`, {day}, {machine}",
            "Composed conversations of six real voices with overlaps; one thread, the networks of `pyannote` "
            "(segmentation-3.0, CAM++). DER has no collar and counts overlaps. Peaks are of the whole process with its "
            "libraries and networks.",
            "\n".join([head, *map(str, rows)]),
        ]
    )


def main() -> int:
    """Measure each length in a process of its own, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diarization_long", description=__doc__)
    parser.add_argument("--minutes", nargs="*", type=float, default=[30.0, 180.0])
    parser.add_argument("--grown", type=float, default=0.0, help="Hours over which the last recording is drawn.")
    parser.add_argument("--keep", action="store_true", help="Write the page to benchmarks/results/.")
    parser.add_argument("--models", type=Path, default=ROOT / "var" / "models")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps([asdict(row) for row in measure(asked.one, asked.grown, asked.models)]))
        return 0
    rows = []
    for minutes in asked.minutes:
        grown = asked.grown if minutes == asked.minutes[-1] else 0.0
        command = [sys.executable, "-m", "benchmarks.diarization_long", "--one", str(minutes), "--grown", str(grown)]
        said = subprocess.run([*command, "--models", str(asked.models)], stdout=subprocess.PIPE, cwd=ROOT, check=True)
        rows += [Row(**row) for row in json.loads(said.stdout.splitlines()[-1])]
        print(rows[-1], file=sys.stderr, flush=True)
    page = report(rows) + "\n"
    print(page)
    if asked.keep:
        RESULT.write_text(page, encoding="utf-8")
    return int(max(row.peak_mb for row in rows) > ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main())
