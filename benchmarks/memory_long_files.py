"""`python -m benchmarks.memory_long_files [--hours 3 10]`: how much memory does preparing a long recording take?

Makes recordings of so many hours from the clips of tests/data/audio, one after the other (the first as MP3, others as
FLAC), then prepares each as a job does: probe, decode to a spool, speech detection, pieces, quality. Resident memory
of this process and of its disposable children is looked at every 10 ms. Fails when both together grow by more than
300 MB.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import psutil

from audio.decode import decode
from audio.limits import Limits
from audio.pieces import cut
from audio.probe import probe
from audio.quality import measure
from audio.vad import VoiceActivity, speech_spans
from speech.options import VadOptions

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "tests" / "data" / "audio"
RESULT = ROOT / "benchmarks" / "results" / "memory_long_files.md"
LIMITS = Limits(wall_seconds=7200, memory_bytes=1 << 30, cpu_seconds=7200, max_audio_seconds=12 * 3600)
ALLOWED_MB = 300
MB = 1_000_000
T = TypeVar("T")


@dataclass
class Row:
    """One step of preparing one recording."""

    recording: str
    step: str
    seconds: float
    own_mb: float
    child_mb: float

    def __str__(self) -> str:
        return f"| {self.recording} | {self.step} | {self.seconds:.1f} | {self.own_mb:.0f} | {self.child_mb:.0f} |"


@dataclass
class Watch:
    """Resident memory since it was made; each step adds a row."""

    process: psutil.Process = field(default_factory=psutil.Process)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.process.memory_info().rss
        self.own_command = self.process.cmdline()

    def step(self, recording: str, name: str, work: Callable[[], T]) -> T:
        over, row = threading.Event(), Row(recording, name, 0.0, 0.0, 0.0)
        observer = threading.Thread(target=self._observe, args=(row, over))
        observer.start()
        started = time.monotonic()
        try:
            return work()
        finally:
            row.seconds = time.monotonic() - started
            over.set()
            observer.join()
            self.rows.append(row)
            print(row, flush=True)

    def _observe(self, row: Row, over: threading.Event) -> None:
        while True:
            row.own_mb = max(row.own_mb, (self.process.memory_info().rss - self.before) / MB)
            for child in self.process.children():
                try:
                    # Between fork and exec a child shares, and seems to have, all memory of its parent.
                    if child.cmdline() != self.own_command:
                        row.child_mb = max(row.child_mb, child.memory_info().rss / MB)
                except psutil.NoSuchProcess:
                    continue
            if over.wait(0.01):
                return

    @property
    def peak_mb(self) -> float:
        return max(row.own_mb + row.child_mb for row in self.rows)


def make(target: Path, hours: float) -> None:
    """Write clip after clip until there are so many hours. Runs in a process of its own, for its memory."""
    import av
    from av.audio.stream import AudioStream

    codec = {".mp3": "libmp3lame", ".flac": "flac"}[target.suffix]
    with av.open(str(target), "w") as out:
        stream = cast(AudioStream, out.add_stream(codec, rate=16_000, layout="mono"))
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=16_000, frame_size=stream.codec_context.frame_size
        )
        for frame in _frames(int(hours * 3600 * 16_000)):
            for piece in resampler.resample(frame):
                out.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))


def _frames(samples: int) -> Iterator[AudioFrame]:
    import av

    written = 0
    for path in cycle(sorted(CLIPS.rglob("*.flac"))):
        with av.open(str(path)) as clip:
            for frame in clip.decode(audio=0):
                frame.pts, frame.time_base = written, Fraction(1, 16_000)
                written += frame.samples
                yield frame
                if written >= samples:
                    return


def prepare(watch: Watch, recording: Path, folder: Path) -> str:
    """What a job does before anything is recognised; returns a line about the recording."""
    name = recording.name
    watch.step(name, "probe", lambda: probe(recording, LIMITS))
    spool = watch.step(name, "decode", lambda: decode(recording, folder / "spool.pcm", LIMITS))
    activity = watch.step(name, "load the VAD", VoiceActivity.load)
    probabilities = watch.step(name, "speech probabilities", lambda: activity.probabilities(spool))
    spans = watch.step(name, "spans", lambda: speech_spans(probabilities, VadOptions(), spool.duration))
    pieces = watch.step(name, "pieces", lambda: cut(spans, 300))
    quality = watch.step(name, "quality", lambda: measure(spool, spans))
    size = recording.stat().st_size / MB
    return (
        f"- {name}: {size:.0f} MB, {spool.duration / 3600:.2f} h, spool {spool.path.stat().st_size / MB:.0f} MB, "
        f"{len(spans)} spans in {len(pieces)} pieces, {quality}"
    )


def report(watch: Watch, lines: list[str]) -> str:
    """The figures as a page."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    verdict = f"Peak of both together: {watch.peak_mb:.0f} MB; allowed: {ALLOWED_MB} MB."
    head = "| recording | step | seconds | growth of the process, MB | peak of its child, MB |\n" + "| --- " * 5 + "|"
    parts = [
        "# memory_long_files",
        f"`python -m benchmarks.memory_long_files`, {time.strftime('%Y-%m-%d', time.gmtime())}, {machine}",
        "Resident memory while long recordings are prepared; the growth counts from before the first one.",
        "\n".join(lines),
        "\n".join([head, *map(str, watch.rows)]),
        verdict,
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Make the recordings, prepare them, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_long_files", description=__doc__)
    parser.add_argument("--hours", nargs="*", type=float, default=[3.0, 10.0])
    hours: list[float] = parser.parse_args().hours
    with tempfile.TemporaryDirectory(prefix="memory-long-files-") as name:
        folder = Path(name)
        recordings = []
        for index, length in enumerate(hours):
            recording = folder / f"{length:g}h.{'flac' if index else 'mp3'}"
            code = "import sys; from pathlib import Path; from benchmarks.memory_long_files import make; "
            code += "make(Path(sys.argv[1]), float(sys.argv[2]))"
            subprocess.run([sys.executable, "-c", code, str(recording), str(length)], check=True, cwd=ROOT)
            recordings.append(recording)
        watch = Watch()
        lines = [prepare(watch, recording, folder) for recording in recordings]
    page = report(watch, lines)
    print(page)
    if hours == [3.0, 10.0]:
        RESULT.write_text(page, encoding="utf-8")
    return int(watch.peak_mb > ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main())
