"""Word times from the emissions of any CTC network: wav2vec 2.0, HuBERT, MMS and their like, in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from audio.samples import SAMPLE_RATE, Samples
from providers.aligner import Aligner, Timing
from providers.context import ProviderContext
from providers.ctc_models import CtcModel, digest, load, missing
from providers.emissions import Aligned, Emissions, forced_path
from providers.numerals import has_digits, readings
from providers.role import Availability, StepCapabilities, StepWatch
from providers.unspoken import filled, spoken
from providers.whisper_words import probability
from speech.errors import JobCancelled, ModelUnavailable, TextMismatch

_SHORTEST = 0.1
"""Seconds of audio; less is narrower than the first layers of such networks."""
_MEMORY_FACTOR = 2
_WORKING_BYTES = 500_000_000


class CtcAligner(Aligner):
    """The network that WOA_CTC_MODEL names."""

    name: ClassVar[str] = "ctc"
    title: ClassVar[str] = "CTC network"
    version: ClassVar[str] = "2"
    longest: ClassVar[float] = 30.0

    def __init__(self, context: ProviderContext) -> None:
        self._settings = context.settings
        self._engine = context.engine
        self._digests: dict[tuple[tuple[str, int, int], ...], str] = {}

    @property
    def abilities(self) -> StepCapabilities:
        """The languages that the operator says the network knows; all of them when nothing is said."""
        return StepCapabilities(local=True, languages=tuple(self._settings.ctc_languages) or None)

    def availability(self) -> Availability:
        """Whether a model is set, is there, and what runs it is installed."""
        folder = self._settings.ctc_model
        if folder is None:
            return Availability(
                False, "No CTC model is set.", "Set WOA_CTC_MODEL to a folder with model.onnx and vocab.json."
            )
        lacking = missing(folder)
        if lacking:
            return Availability(False, lacking, "Put the files there, or set WOA_CTC_MODEL to another folder.")
        needed = ("onnxruntime",) if (folder / "model.onnx").is_file() else ("torch", "transformers")
        absent = [name for name in (*needed, "num2words") if find_spec(name) is None]
        if absent:
            return Availability(False, f"{' and '.join(absent)} cannot be imported.", f"pip install {' '.join(absent)}")
        return Availability(True)

    def digest(self) -> str:
        """``sha256:...`` over the files of the folder."""
        folder = self._folder()
        files = ((file.name, file.stat()) for file in sorted(folder.iterdir()))
        state = tuple((name, found.st_mtime_ns, found.st_size) for name, found in files)
        if state not in self._digests:
            self._digests[state] = digest(folder)
        return self._digests[state]

    def engine_version(self) -> str:
        """The libraries underneath."""
        runner = "onnxruntime" if (self._folder() / "model.onnx").is_file() else "transformers"
        return ", ".join(f"{name} {version_of(name)}" for name in (runner, "num2words"))

    def _folder(self) -> Path:
        folder = self._settings.ctc_model
        if folder is None or not folder.is_dir():
            raise ModelUnavailable("The CTC model is not there: set WOA_CTC_MODEL to its folder.")
        return folder

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        duration = samples.size / SAMPLE_RATE
        found: list[Timing | None] = [None] * len(words)
        if duration >= _SHORTEST:
            folder, threads = self._folder(), self._engine.device.threads
            size = _WORKING_BYTES + _MEMORY_FACTOR * sum(file.stat().st_size for file in folder.iterdir())
            key = (self.name, self.digest())
            with self._engine.pool.borrow(key, lambda: load(folder, threads), size, cancelled=watch.cancelled) as model:
                if watch.cancelled():
                    raise JobCancelled("The job was cancelled while it was aligned.")
                with self._engine.slot(watch.cancelled):
                    emissions = model.emissions(samples)
            found = _timed(model, emissions, words, language, duration)
        return filled(found, words, duration)


def _timed(
    model: CtcModel, emissions: Emissions, words: Sequence[str], language: str, duration: float
) -> list[Timing | None]:
    spelled = [_labels(model, word, language) for word in words]
    labels, places = _joined(spelled, model.letters.space)
    if not places and any(spoken(word) for word in words):
        raise TextMismatch("The text has no letter that the alignment model knows: it is of another script.")
    path = forced_path(emissions, labels, model.letters.blank)
    if path is None:
        raise TextMismatch("There is more text than can be spoken in this time: it is not that of the recording.")
    each = duration / emissions.shape[0]
    found: list[Timing | None] = [None] * len(words)
    for index, (first, last) in places.items():
        found[index] = _timing(path[first:last], each)
    return found


def _timing(letters: Sequence[Aligned], each: float) -> Timing:
    mean = float(np.mean([letter.probability for letter in letters]))
    return Timing(letters[0].first * each, letters[-1].last * each, probability(mean))


def _labels(model: CtcModel, word: str, language: str) -> list[int]:
    """The labels of a word as it is read aloud."""
    labels = model.letters.spelled(word)
    if has_digits(word) and not any(sign.isdigit() for sign in model.letters.numbers):
        read = readings(word, language)
        labels = model.letters.spelled(read[0]) if read else labels
    return labels


def _joined(spelled: Sequence[Sequence[int]], space: int | None) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """All labels with a space between words, and first and last label (exclusive) of each word that has some."""
    labels: list[int] = []
    places: dict[int, tuple[int, int]] = {}
    for index, word in enumerate(spelled):
        if not word:
            continue
        if labels and space is not None:
            labels.append(space)
        places[index] = (len(labels), len(labels) + len(word))
        labels += word
    return labels, places
