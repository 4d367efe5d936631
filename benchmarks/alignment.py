"""How exact are the aligners, do they agree on real speech, what do they cost, and which texts are refused?

`python -m benchmarks.alignment [--piper PYTHON VOICE]` writes benchmarks/results/alignment.md. It needs the extra
`alignment`, Whisper base in the models folder, and the Debian packages espeak-ng and flite.
"""

from __future__ import annotations

import argparse
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from audio.samples import SAMPLE_RATE, Samples
from benchmarks import passages
from benchmarks.identity import Clip, collect
from benchmarks.spoken import Speech
from engine.engine import Engine
from pipeline.script import matched, share_matched
from providers.aligner import Aligner
from providers.base import Watch
from providers.context import ProviderContext
from providers.faster_whisper import FasterWhisper
from providers.pocketsphinx_aligner import PocketsphinxAligner
from providers.whisper_aligner import WhisperAligner
from speech.errors import TextMismatch
from speech.options import TranscribeRequest
from speech.settings import Settings
from weights.store import WeightStore

ROOT = Path(__file__).parent.parent
RESULT = Path(__file__).parent / "results" / "alignment.md"
_WRONG = ("banana", "seventeen", "window", "perhaps", "quickly", "doctor", "yellow", "never")
_LEAST_WORDS = 5
_EXACTNESS = (
    "Passages of two sentences with pauses of 0.2 to 1.8 s; other sentences than those by which the aligners' "
    "constants were chosen, and, but for piper, other voices or speeds. piper gives the space between two words "
    "about 50 ms of its own: the border is taken in its middle, so that its bias is in part the measure's."
)
_COST = "One call of each at a time, on the same clips, both cores."


def exactness(aligner: Aligner, speeches: Sequence[Speech]) -> Iterator[str]:
    """Rows of a table: errors of starts and ends for each voice and for all."""
    starts: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    for speech in speeches:
        found = aligner.align(speech.samples, [word.text for word in speech.words], speech.language)
        for timing, word in zip(found, speech.words, strict=True):
            if word.start is not None:
                starts.setdefault(speech.voice, []).append(timing.start - word.start)
            if word.end is not None:
                ends.setdefault(speech.voice, []).append(timing.end - word.end)
    for voice, errors in starts.items():
        yield _row(aligner.name, voice, errors, ends[voice])
    yield _row(aligner.name, "**all**", _flat(starts), _flat(ends))


def _flat(errors: dict[str, list[float]]) -> list[float]:
    return [error for voice in errors.values() for error in voice]


def _row(aligner: str, voice: str, starts: Sequence[float], ends: Sequence[float]) -> str:
    errors, late = np.abs(starts) * 1000, np.abs(ends) * 1000
    figures = (
        f"{np.median(errors):.0f}",
        f"{np.percentile(errors, 95):.0f}",
        f"{100 * np.mean(errors <= 120):.1f}",
        f"{1000 * np.median(starts):+.0f}",
        f"{np.median(late):.0f}",
        f"{np.percentile(late, 95):.0f}",
    )
    return f"| {aligner} | {voice} | {len(starts)} | {' | '.join(figures)} |"


def agreement(one: Aligner, other: Aligner, clips: Sequence[tuple[Samples, str]]) -> str:
    """How far the starts of words by two aligners lie apart on real English clips, each with its text."""
    apart: list[float] = []
    for samples, text in clips:
        words = text.split()
        pairs = zip(one.align(samples, words, "en"), other.align(samples, words, "en"), strict=True)
        apart += [abs(left.start - right.start) * 1000 for left, right in pairs]
    return (
        f"{len(apart)} words of {len(clips)} clips: median {np.median(apart):.0f} ms, 95th percentile "
        f"{np.percentile(apart, 95):.0f} ms, {100 * np.mean(np.asarray(apart) <= 120):.1f} % within 120 ms."
    )


def cost(recogniser: FasterWhisper, aligners: Sequence[Aligner], clips: Sequence[tuple[Samples, str]]) -> Iterator[str]:
    """Rows of a table: seconds of each aligner beside those of recognition (base, beam 5), on the same clips."""
    request = TranscribeRequest(file_ids=["none"], provider="faster_whisper", model="base", language="en")
    options = recogniser.check(request)
    heard = _seconds(lambda samples, _: recogniser.recognise(samples, options, Watch()), clips)
    audio = sum(samples.size for samples, _ in clips) / SAMPLE_RATE
    yield f"| recognition, base, beam 5, with word times | {heard / audio:.3f} | |"
    for aligner in aligners:
        spent = _seconds(lambda samples, text, who=aligner: who.align(samples, text.split(), "en"), clips)
        yield f"| {aligner.name} | {spent / audio:.3f} | {100 * spent / heard:.0f} % |"


def _seconds(work: Callable[[Samples, str], object], clips: Sequence[tuple[Samples, str]]) -> float:
    work(*clips[0])  # loads the model
    began = time.perf_counter()
    for samples, text in clips:
        work(samples, text)
    return time.perf_counter() - began


def refusals(recogniser: FasterWhisper, aligner: Aligner, clips: Sequence[tuple[Clip, Samples, str]]) -> Iterator[str]:
    """Rows of a table: how much of a text was heard, and how likely the aligner finds it, right and wrong texts."""
    whole = [(clip, samples, text) for clip, samples, text in clips if len(text.split()) >= _LEAST_WORDS]
    shares: dict[str, list[float]] = {}
    likely: dict[str, list[float]] = {}
    for at, (clip, samples, text) in enumerate(whole):
        heard = _heard(recogniser, samples, clip.language)
        for name, words in _texts(whole, at, text):
            shares.setdefault(name, []).append(share_matched(words, heard, matched(words, heard)))
            likely.setdefault(name, []).append(_likely(aligner, samples, words, clip.language))
    for name, found in shares.items():
        low, high = min(likely[name]), max(likely[name])
        yield f"| {name} | {min(found):.2f} | {np.median(found):.2f} | {max(found):.2f} | {low:.2f} to {high:.2f} |"


def _texts(clips: Sequence[tuple[Clip, Samples, str]], at: int, text: str) -> Iterator[tuple[str, list[str]]]:
    dice = random.Random(at)
    words, language = text.split(), clips[at][0].language
    same = [other for clip, _, other in clips if clip.language == language and other != text]
    foreign = [other for clip, _, other in clips if clip.language != language]
    yield "the right text", words
    yield "a fifth of the words wrong", [dice.choice(_WRONG) if dice.random() < 0.2 else word for word in words]
    yield "another clip's text", dice.choice(same).split()
    yield "text in another language", dice.choice(foreign).split()


def _heard(recogniser: FasterWhisper, samples: Samples, language: str) -> list[str]:
    request = TranscribeRequest(file_ids=["none"], provider="faster_whisper", model="base", language=language)
    found = recogniser.recognise(samples, recogniser.check(request), Watch())
    return [word for segment in found.segments for word in segment.text.split()]


def _likely(aligner: Aligner, samples: Samples, words: Sequence[str], language: str) -> float:
    try:
        found = aligner.align(samples, words, language)
    except TextMismatch:
        return 0.0
    return float(np.mean([timing.confidence or 0.0 for timing in found]))


def _clips() -> list[tuple[Clip, Samples, str]]:
    import json

    from faster_whisper import decode_audio

    folder = ROOT / "tests" / "data" / "audio"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines() if line.strip()]
    texts = {folder / row["path"]: row["text"] for row in rows}
    return [
        (clip, np.asarray(decode_audio(str(clip.path)), dtype=np.float32), texts[clip.path])
        for clip in collect(0)
        if clip.path in texts
    ]


def report(context: ProviderContext, piper: tuple[str, str] | None) -> str:
    """The whole page."""
    whisper, sphinx, recogniser = WhisperAligner(context), PocketsphinxAligner(context), FasterWhisper(context)
    english, foreign, clips = passages.english(piper), passages.foreign(), _clips()
    spoken = [(samples, text) for clip, samples, text in clips if clip.language == "en"]
    head = "| aligner | voice | words | start: median ms | 95 % ms | within 120 ms, % | bias ms | end: median ms "
    head += "| 95 % ms |"
    table = [head, "|" + " --- |" * 9]
    table += [*exactness(whisper, english), *exactness(sphinx, english), *exactness(whisper, foreign)]
    texts = ["| text | least | median | most | mean word probability |", "|" + " --- |" * 5]
    costs = ["| work | seconds a second of audio | beside recognition |", "| --- | --- | --- |"]
    return "\n".join(
        [
            *("# alignment", ""),
            f"`python -m benchmarks.alignment`, {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, "
            f"Python {platform.python_version()}, no GPU; Whisper base, int8.",
            *("", "## Speech with exactly known word times", ""),
            *(_EXACTNESS, "", *table),
            *("", "## Two aligners on real English clips", "", agreement(whisper, sphinx, spoken)),
            *("", "## Cost", "", _COST, "", *costs, *cost(recogniser, (whisper, sphinx), spoken)),
            *(
                "",
                "## Texts that belong to a recording, and others",
                "",
                *texts,
                *refusals(recogniser, whisper, clips),
                "",
            ),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--piper", nargs=2, metavar=("PYTHON", "VOICE"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=Path(folder),
            models_dir=ROOT / "var" / "models",
            device="cpu",
            offline=True,
        )
        engine = Engine.from_settings(settings)
        context = ProviderContext(settings, WeightStore(settings.models, offline=True), engine)
        page = report(context, tuple(asked.piper) if asked.piper else None)
        engine.close()
    RESULT.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
