"""Who said what in composed conversations: the product beside pyannote's own pipeline with nearest-turn assignment.

`python -m benchmarks.conversations [SET] [--limit N]`: SET is a folder that `python -m benchmarks.sets` made. Both have
the same weights and the same recognised words. Theirs is `SpeakerDiarization.apply` over the whole recording, and
each word goes to the turn nearest to its middle. DER without a collar, overlaps scored; cpWER on normalised text.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from audio.decode import decode
from audio.limits import Limits
from pipeline.evaluation.samples import Sample, read_set
from pipeline.evaluation.speakers import speaker_edits, words_without_speaker, wrong_time
from pipeline.local import transcribe_file
from pipeline.runtime import Runtime
from providers.pyannote_diarizer import PyannoteDiarizer
from providers.role import StepWatch
from speech.diarization import Turn
from speech.options import DiarizationOptions, TranscribeRequest
from speech.settings import Settings
from speech.transcript import Transcript

ROOT = Path(__file__).parent.parent
MODEL = "base"


@dataclass(frozen=True, slots=True)
class Row:
    """Errors and totals of one conversation, ours and theirs: seconds of DER, words of cpWER."""

    name: str
    speech: float
    wrong: tuple[float, float]
    words: int
    edits: tuple[int, int]
    nobody: int
    speakers: tuple[int, int]
    """Who really speaks, and whom we found."""
    seconds: tuple[float, float, float]
    """Of the recording, of recognising it, of telling its speakers apart."""

    def line(self) -> str:
        """A line of the table."""
        der = " | ".join(f"{100 * wrong / self.speech:.1f}" for wrong in self.wrong)
        cpwer = " | ".join(f"{100 * edits / self.words:.1f}" for edits in self.edits)
        return f"| {self.name} | {self.speakers[0]} | {self.speakers[1]} | {der} | {cpwer} | {self.nobody} |"


def nearest(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """The transcript with each word given to the turn nearest to its middle."""

    def whose(start: float, end: float) -> str:
        middle = (start + end) / 2
        return min(turns, key=lambda turn: max(turn.start - middle, middle - turn.end, 0.0)).speaker

    segments = [
        replace(segment, speaker=None, words=tuple(replace(w, speaker=whose(w.start, w.end)) for w in segment.words))
        for segment in transcript.segments
    ]
    return replace(transcript, segments=tuple(segments), turns=tuple(turns))


def theirs(runtime: Runtime, path: Path) -> tuple[Turn, ...]:
    """What pyannote's own pipeline says, with the same weights."""
    import torch

    diarizer = runtime.registry.diarizers.roster.get("pyannote")
    assert isinstance(diarizer, PyannoteDiarizer)
    with tempfile.TemporaryDirectory() as folder, diarizer._pipeline(StepWatch()) as pipeline:
        spool = decode(path, Path(folder) / "samples.pcm", Limits.for_decoding(runtime.settings))
        audio = {"waveform": torch.from_numpy(spool.read())[None], "sample_rate": 16_000, "uri": "recording"}
        found = pipeline.apply(audio).speaker_diarization
    return tuple(Turn(part.start, part.end, str(who)) for part, _, who in found.itertracks(yield_label=True))


def measure(runtime: Runtime, sample: Sample) -> Row:
    """One conversation."""
    assert sample.path is not None
    assert sample.turns is not None
    assert sample.said is not None
    language = sample.language if sample.language not in ("mul", "und") else "auto"
    request = TranscribeRequest(model=MODEL, language=language, diarization=DiarizationOptions(enabled=True))
    ours = transcribe_file(runtime, sample.path, request)
    other = nearest(ours, theirs(runtime, sample.path))
    pair = (ours, other)
    times = [wrong_time(sample.turns, each.turns, ours.duration, collar=0.0) for each in pair]
    edits = [speaker_edits(sample.said, each, sample.language) for each in pair]
    return Row(
        sample.sample_id,
        times[0].total,
        (times[0].errors, times[1].errors),
        edits[0].length,
        (edits[0].errors, edits[1].errors),
        words_without_speaker(ours),
        (len({turn.speaker for turn in sample.turns}), len(ours.speakers)),
        (ours.duration, ours.stages["transcribe"], ours.stages["diarize"]),
    )


def page(rows: Sequence[Row]) -> Iterator[str]:
    """The figures."""
    heads = "conversation | speakers | found | DER %, ours | pyannote | cpWER %, ours | nearest turn | words of nobody"
    yield f"| {heads} |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    yield from (row.line() for row in rows)
    speech, words = sum(row.speech for row in rows), sum(row.words for row in rows)
    der = " | ".join(f"{100 * sum(row.wrong[who] for row in rows) / speech:.2f}" for who in (0, 1))
    cpwer = " | ".join(f"{100 * sum(row.edits[who] for row in rows) / words:.2f}" for who in (0, 1))
    yield f"| **all {len(rows)}** | | | {der} | {cpwer} | {sum(row.nobody for row in rows)} |"
    whole, heard, told = (sum(row.seconds[kind] for row in rows) for kind in (0, 1, 2))
    yield f"\n{whole:.0f} s of audio: recognition ({MODEL}, beam 5) took {heard:.0f} s, diarization {told:.0f} s."


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversations", description=__doc__)
    parser.add_argument("set", nargs="?", type=Path, default=ROOT / "var" / "sets" / "conversations-test")
    parser.add_argument("--limit", type=int, help="only so many of them, evenly taken")
    asked = parser.parse_args()
    samples = read_set(asked.set / "manifest.jsonl").samples
    chosen = samples[:: max(1, len(samples) // asked.limit)] if asked.limit else samples
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), models_dir=ROOT / "var" / "models")
        runtime = Runtime.open(settings)
        try:
            for sample in chosen:
                rows.append(measure(runtime, sample))
                print(rows[-1].line(), flush=True)
        finally:
            runtime.close()
    head = f"# conversations\n\n`python -m benchmarks.conversations`, {datetime.now(UTC):%Y-%m-%d}\n\n{__doc__ or ''}\n"
    text = head + "\n".join(page(rows)) + "\n"
    (Path(__file__).parent / "results" / "conversations.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
