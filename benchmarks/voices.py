"""How well enrolled speakers are known: `python -m benchmarks.voices FOLDER`, a folder that benchmarks.voice_set made.

Half of the speakers (every second by name) are for choosing thresholds, the other half for reporting. Each is enrolled
by a first clip; stretches of the others are asked who they are, as they are and as a telephone carries them. Two kinds
of errors count: a speaker who is not known, and a stranger who is given the name of somebody in their half.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from audio.spool import Spool
from audio.vad import VoiceActivity, speech_spans
from engine.engine import Engine
from pipeline.enrolment import LEAST_WINDOWS, WINDOW_SECONDS, likeness_of_halves
from pipeline.identify import identify, space_of
from providers.diarizer import VoiceModel
from providers.registry import Registry
from speech.diarization import Voice
from speech.errors import InvalidAudio
from speech.options import VadOptions
from speech.settings import Settings
from storage.takes import EnrolledVoice
from weights.store import WeightStore

RESULTS = Path(__file__).parent / "results" / "voices.md"
PROBES = {3.0: 2, 8.0: 2}
"""Seconds of speech in a probe, and how many such of a speaker and condition, at most."""
TAKE_SECONDS = 8.0
"""Of speech in the take that somebody is enrolled by, at most."""
WINDOWS = 8
"""Windows of each speaker, for the likeness within takes."""
THRESHOLDS = [round(0.2 + 0.05 * step, 2) for step in range(13)]
STRANGERS = 0.01
"""The share of strangers' probes that may be given a name on the tuning half."""
CONDITIONS: dict[str, Callable[[Samples], Samples]]
Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A stretch of somebody's speech."""

    speaker: str
    seconds: float
    condition: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Half:
    """Some speakers: enrolled by each kind of takes, and asked."""

    enrolled: Mapping[str, Sequence[EnrolledVoice]]
    probes: Sequence[Probe]

    def of(self, seconds: float, condition: str) -> list[Probe]:
        """The probes of that kind."""
        return [probe for probe in self.probes if (probe.seconds, probe.condition) == (seconds, condition)]

    def missed(self, takes: str, probes: Sequence[Probe], threshold: float) -> float:
        """The share of probes that get no name, or a wrong one, among all who are enrolled."""
        enrolled = self.enrolled[takes]
        return float(np.mean([_name(probe, enrolled, threshold) != probe.speaker for probe in probes]))

    def named_strangers(self, takes: str, probes: Sequence[Probe], threshold: float) -> float:
        """The share of probes that get a name when their own speaker is not enrolled, but everybody else is."""
        named = [
            _name(probe, [one for one in self.enrolled[takes] if one.name != probe.speaker], threshold) is not None
            for probe in probes
        ]
        return float(np.mean(named))

    def pairs(self, takes: str, probes: Sequence[Probe]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of probes with their own speaker, and with each other one."""
        own, other = list[float](), list[float]()
        for probe, one in itertools.product(probes, self.enrolled[takes]):
            found = identify([Voice("?", probe.vector, probe.seconds)], [one], -1.0)
            (own if one.name == probe.speaker else other).append(found["?"].score)
        return np.array(own), np.array(other)


def _name(probe: Probe, enrolled: Sequence[EnrolledVoice], threshold: float) -> str | None:
    found = identify([Voice("?", probe.vector, probe.seconds)], enrolled, threshold)
    return found["?"].name if found else None


def telephone(samples: Samples) -> Samples:
    """The same through 8 kHz and 8-bit mu-law."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    narrow = np.clip(np.fft.irfft(spectrum, samples.size), -1, 1)
    pressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    coarse = np.round(pressed * 127) / 127
    return np.asarray(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255, dtype=np.float32)


CONDITIONS = {"as recorded": lambda samples: samples, "telephone": telephone}
TAKES = {"as recorded": ("as recorded",), "telephone": ("telephone",), "one of each": tuple(CONDITIONS)}


class Ear:
    """Turns stretches of samples into vectors, each once: they lie in the folder of voices from then on."""

    def __init__(self, model: VoiceModel, folder: Path) -> None:
        self.model = model
        self.spool = folder / "stretch.pcm"
        self.voice_activity = VoiceActivity.load()
        self._kept = folder / "vectors.jsonl"
        lines = self._kept.read_text().splitlines() if self._kept.exists() else []
        self._known: dict[str, Vector | None] = {
            key: vector for line in lines for key, vector in json.loads(line).items()
        }

    def vector(self, samples: Samples) -> Vector | None:
        """None where the model hears too little speech."""
        key = hashlib.sha256(space_of(self.model).encode() + samples.tobytes()).hexdigest()
        if key not in self._known:
            try:
                self._known[key] = self.model.embed(self._spooled(samples))
            except InvalidAudio:
                self._known[key] = None
            with self._kept.open("a") as kept:
                kept.write(json.dumps({key: self._known[key]}) + "\n")
        return self._known[key]

    def speech(self, path: Path) -> Samples:
        """What is spoken in a clip."""
        with wave.open(str(path)) as file:
            stored = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        spool = self._spooled(stored.astype(np.float32) / np.float32(32768))
        return spool.gather(speech_spans(self.voice_activity.probabilities(spool), VadOptions(), spool.duration))

    def _spooled(self, samples: Samples) -> Spool:
        np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tofile(self.spool)
        return Spool.at(self.spool)


def half_of(folder: Path, speakers: Sequence[str], ear: Ear) -> Half:
    """Enrol and probe some speakers."""
    enrolled: dict[str, list[EnrolledVoice]] = {kind: [] for kind in TAKES}
    probes: list[Probe] = []
    for speaker in speakers:
        first, *rest = [ear.speech(path) for path in sorted((folder / speaker).glob("*.wav"))]
        take = first[: int(TAKE_SECONDS * SAMPLE_RATE)]
        heard = {condition: ear.vector(carried(take)) for condition, carried in CONDITIONS.items()}
        for kind, conditions in TAKES.items():
            vectors = [vector for condition in conditions if (vector := heard[condition]) is not None]
            if vectors:
                enrolled[kind].append(EnrolledVoice(speaker, speaker, tuple(vectors)))
        probes += _probes(speaker, rest, ear)
        print(f"{speaker}: {len(probes)} probes so far", file=sys.stderr, flush=True)
    return Half(enrolled, probes)


def _probes(speaker: str, clips: Sequence[Samples], ear: Ear) -> Iterator[Probe]:
    for seconds, most in PROBES.items():
        length = int(seconds * SAMPLE_RATE)
        starts = ((clip, at) for clip in clips for at in range(0, clip.size - length + 1, length))
        for clip, at in itertools.islice(starts, most):
            for condition, carried in CONDITIONS.items():
                vector = ear.vector(carried(clip[at : at + length]))
                if vector is not None:
                    yield Probe(speaker, seconds, condition, vector)


def equal_error(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The error rate at the threshold where pairs of one voice are refused as often as pairs of two are taken."""
    thresholds = np.sort(np.concatenate([own, other]))
    missed, taken = (
        np.searchsorted(np.sort(own), thresholds) / own.size,
        1 - np.searchsorted(np.sort(other), thresholds) / max(other.size, 1),
    )
    best = int(np.argmin(np.abs(missed - taken)))
    return float((missed[best] + taken[best]) / 2)


def chosen(tune: Half, *kinds: str) -> float:
    """The smallest threshold of the table at which strangers' probes are named as seldom as they should be, when people
    are enrolled in any of these ways."""
    fit = (each for each in THRESHOLDS if max(_strangers(tune, takes, each) for takes in kinds) <= STRANGERS)
    return next(fit, THRESHOLDS[-1])


def _strangers(half: Half, takes: str, threshold: float) -> float:
    return half.named_strangers(takes, half.probes, threshold)


def report(tune: Half, test: Half) -> str:
    """The figures, as Markdown."""
    general, narrow = chosen(tune, "as recorded", "one of each"), chosen(tune, "telephone")
    thresholds = {takes: narrow if takes == "telephone" else general for takes in TAKES}
    people = [len(half.enrolled["as recorded"]) for half in (tune, test)]
    parts = [
        f"{people[0]} speakers and {len(tune.probes)} probes to choose with, {people[1]} and {len(test.probes)} to "
        f"report on. The first half chooses **{general}**, and **{narrow}** where all takes are by telephone: the "
        f"smallest at which at most {STRANGERS:.0%} of strangers' probes are given a name.",
        "## The other half, at these thresholds",
        _kinds(test, thresholds),
        "## The curve: not known / strangers named, of all probes",
        _curve(tune, test),
    ]
    return "\n\n".join(parts)


def _kinds(half: Half, thresholds: Mapping[str, float]) -> str:
    lines = [
        "| takes | speech | sound | probes | equal errors | mean score, own / others' | not known | strangers named |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for takes, condition, seconds in itertools.product(TAKES, CONDITIONS, PROBES):
        probes = half.of(seconds, condition)
        if not probes:
            continue
        own, other = half.pairs(takes, probes)
        threshold = thresholds[takes]
        figures = (
            f"{equal_error(own, other):.1%} | {own.mean():.2f} / {other.mean():.2f} | "
            f"{half.missed(takes, probes, threshold):.1%} | {half.named_strangers(takes, probes, threshold):.1%}"
        )
        lines.append(f"| {takes} | {seconds:g} s | {condition} | {len(probes)} | {figures} |")
    return "\n".join(lines)


def _curve(tune: Half, test: Half) -> str:
    heads = [f"{takes}, {name}" for takes in TAKES for name in ("tune", "test")]
    lines = [f"| threshold | {' | '.join(heads)} |", f"| --- |{' --- |' * len(heads)}"]
    for threshold in THRESHOLDS:
        figures = [
            f"{half.missed(takes, half.probes, threshold):.1%} / {_strangers(half, takes, threshold):.1%}"
            for takes in TAKES
            for half in (tune, test)
        ]
        lines.append(f"| {threshold} | {' | '.join(figures)} |")
    return "\n".join(lines)


def takes_of_two(folder: Path, speakers: Sequence[str], ear: Ear) -> str:
    """How alike the halves of takes are, of one voice and of two that take turns."""
    one, two = [], []
    windows = {speaker: _windows(folder / speaker, ear) for speaker in speakers}
    for speaker, vectors in windows.items():
        if len(vectors) == WINDOWS:
            one.append(likeness_of_halves(vectors))
        for other in speakers:
            if other != speaker and len(windows[other]) >= LEAST_WINDOWS and len(vectors) == WINDOWS:
                two.append(likeness_of_halves([*vectors, *windows[other][:LEAST_WINDOWS]]))
    return "\n".join(
        [
            "| takes | number | lowest | 5 % | median | 95 % | highest |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            _spread("one voice, 20 s", one),
            _spread("two voices, 20 s and 5 s", two),
        ]
    )


def _windows(folder: Path, ear: Ear) -> list[NDArray[np.float64]]:
    length = int(WINDOW_SECONDS * SAMPLE_RATE)
    clips = [ear.speech(path) for path in sorted(folder.glob("*.wav"))]
    cuts = [clip[at : at + length] for clip in clips for at in range(0, clip.size - length + 1, length)][:WINDOWS]
    return [np.asarray(vector) for cut in cuts if (vector := ear.vector(cut)) is not None]


def _spread(name: str, values: Sequence[float]) -> str:
    shown = np.percentile(values, [0, 5, 50, 95, 100])
    return f"| {name} | {len(values)} | {' | '.join(f'{value:.2f}' for value in shown)} |"


def main(folder: Path) -> None:
    """Measure, and write the figures down."""
    settings = Settings()
    registry = Registry(settings, WeightStore.from_settings(settings), Engine.from_settings(settings))
    speakers = sorted(path.name for path in folder.iterdir() if path.is_dir())
    model = registry.voice_model()
    ear = Ear(model, folder)
    tune, test = (half_of(folder, speakers[first::2], ear) for first in (0, 1))
    takes = takes_of_two(folder, speakers, ear)
    said = f"# voices\n\n`python -m benchmarks.voices FOLDER`, {model.title}, {model.engine_version()}\n\n"
    text = f"{said}{report(tune, test)}\n\n## Takes of one voice and of two\n\n{takes}\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
