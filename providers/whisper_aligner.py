"""Word times from Whisper's cross-attention, by CTranslate2, on the model that the recogniser has in memory.

The text is given to the decoder two characters at a time, and dynamic time warping over the attention of the alignment
heads (Radford et al., 2022, as in openai/whisper's timing.py) gives each its time. Characters are finer than the
model's own tokens (Yeh et al., "Whisper has an internal word aligner", 2025), and attention at the space between two
words lies on their border. Attention drifts over silence, so that pauses are taken out before and set back after, and a
border close to a pause is put on the pause's ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from engine.device import default_whisper_model
from providers.aligner import Aligner, Timing
from providers.base import Watch
from providers.context import ProviderContext
from providers.pauses import Condensed
from providers.role import Availability, StepCapabilities, StepWatch
from providers.unspoken import filled, spoken
from providers.whisper_errors import translated
from providers.whisper_loading import borrowed, for_one_job, languages_of
from providers.whisper_words import probability
from speech.errors import ModelNotFound, TextMismatch
from speech.formats.breaks import unspaced

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_FRAMES_A_SECOND = 100
_POSITIONS_A_SECOND = 50
_MOST_TOKENS = 440
"""The decoder takes 448, with those that open and close the text."""
_CHARACTERS = 2
"""Characters of one piece: single ones lose the thread now and then, three lie less exactly."""
_MEDIAN_FILTER = 3
_SNAPPED = 0.15
"""Seconds between a border and a pause within which they are the same."""
_LATE = 0.2
"""Seconds after its space by which a word has begun; attention at a space may lie in a pause that noise hides."""
_FEWEST_JUDGED = 6
"""Words; of fewer nobody can tell whether they belong to the audio."""
_LEAST_LIKELY = 0.17
"""Mean probability of the words below which they do not. On the real clips in five languages (tests/data/audio) it is
0.70 to 0.89 for the right text, 0.36 and more with a fifth of the words wrong, and 0.003 to 0.16 for text of another
language; 0.20 for the right text in a robot's Russian (espeak-ng)."""
_TRAILING = 100
"""Frames of silence behind the audio: the encoder was trained on windows that are filled up with it."""


class WhisperAligner(Aligner):
    """Word times in every language of a Whisper model."""

    name: ClassVar[str] = "whisper"
    title: ClassVar[str] = "Whisper attention"
    version: ClassVar[str] = "2"
    longest: ClassVar[float] = 25.0

    def __init__(self, context: ProviderContext) -> None:
        self._settings = context.settings
        self._weights = context.weights
        self._engine = context.engine

    @property
    def model(self) -> str:
        """The operator's choice, else the default of recognition, but no tiny one: those place words badly."""
        chosen = self._settings.alignment_model
        default = default_whisper_model(self._engine.device, self._settings.default_model)
        return chosen or ("base" if default.startswith("tiny") else default)

    @property
    def abilities(self) -> StepCapabilities:
        """The languages of the model."""
        known = self._languages()
        # Cantonese came with the third version of Whisper; before, it was written, and is aligned, as Chinese.
        return StepCapabilities(
            local=True, languages=(*known, "yue") if "zh" in known and "yue" not in known else known
        )

    def availability(self) -> Availability:
        """Whether the libraries are installed, the device is there and the model is known."""
        missing = [name for name in ("faster_whisper", "ctranslate2") if find_spec(name) is None]
        if missing:
            return Availability(False, f"{' and '.join(missing)} cannot be imported.", "pip install faster-whisper")
        if not self._engine.device.usable:
            return Availability(False, self._engine.device.problem, "Mend CUDA, or set WOA_DEVICE=cpu.")
        try:
            self._weights.check(self.model)
        except ModelNotFound as error:
            return Availability(False, error.message, "Set WOA_ALIGNMENT_MODEL to a model that there is.")
        entry = self._weights.entry(self.model)
        here = self._weights.installed(self.model)
        if not here and self._settings.offline and (entry is None or entry.wheels is None):
            return Availability(
                False,
                f"Its model {self.model} is not here, and the server is told to stay offline.",
                f"Run `woa models pull {self.model}` where it can be fetched, or set WOA_ALIGNMENT_MODEL.",
            )
        return Availability(True)

    def digest(self) -> str:
        """``sha256:...`` over the files of the model; fetches them when they are not on disk yet."""
        self._weights.path(self.model)
        return self._weights.digest(self.model)

    def engine_version(self) -> str:
        """The libraries, and what they compute in."""
        device = self._engine.device
        libraries = (f"{name} {version_of(name)}" for name in ("faster-whisper", "ctranslate2"))
        return f"{', '.join(libraries)}, {device.kind} {device.compute_type}"

    def _spoken(self, language: str) -> str:
        """The language as the model calls it."""
        base = language.split("-")[0]
        return "zh" if base == "yue" and "yue" not in self._languages() else base

    def _languages(self) -> tuple[str, ...]:
        entry = self._weights.entry(self.model)
        return entry.languages if entry else self._languages_on_disk()

    def _languages_on_disk(self) -> tuple[str, ...]:
        return languages_of(self._weights.path(self.model)) if self._weights.installed(self.model) else ()

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        duration = samples.size / SAMPLE_RATE
        said = [index for index, word in enumerate(words) if spoken(word)]
        found: list[Timing | None] = [None] * len(words)
        sound = Condensed(samples)
        if said and sound.samples.size >= SAMPLE_RATE // _POSITIONS_A_SECOND * 2:
            waiting = Watch(cancelled=watch.cancelled)
            with borrowed(self._engine, self._weights, self.model, watch.cancelled) as model, translated():
                mine = for_one_job(model, self._engine, waiting)
                heard = _listened(mine, sound.samples, [words[index] for index in said], self._spoken(language))
            for index, timing in zip(said, _placed(heard, sound, duration), strict=True):
                found[index] = timing
        return filled(found, words, duration)


@dataclass(frozen=True, slots=True)
class _Attention:
    """Where the attention lay, in seconds of the condensed audio, and how likely each word was."""

    borders: NDArray[np.float64]
    """At the space before each word."""
    letters: NDArray[np.float64]
    """At the first letters of each word."""
    likely: tuple[float, ...]
    """The mean probability of each word's own tokens, as faster-whisper's confidence."""


def _listened(model: WhisperModel, samples: Samples, words: Sequence[str], language: str) -> _Attention:
    from faster_whisper.tokenizer import Tokenizer

    multilingual = bool(model.model.is_multilingual)
    spoken_in = language if multilingual else "en"
    tokenizer = Tokenizer(model.hf_tokenizer, multilingual, task="transcribe", language=spoken_in)
    states, frames = _encoded(model, samples)

    def aligned(tokens: list[list[int]]) -> tuple[Any, NDArray[np.int64]]:
        if sum(map(len, tokens)) > _MOST_TOKENS:
            raise TextMismatch(
                "There is more text than can be spoken in the time: it does not belong to the recording."
            )
        text = [token for word in tokens for token in word]
        found = model.model.align(states, tokenizer.sot_sequence, [text], [frames], median_filter_width=_MEDIAN_FILTER)
        return found[0], np.cumsum([0, *map(len, tokens)])

    fine, firsts = aligned([_pairs(tokenizer, word) for word in words])
    times = _times(fine.alignments)
    whole, begins = aligned([tokenizer.encode(word if unspaced(word) else f" {word}") for word in words])
    chances = np.add.reduceat(np.asarray(whole.text_token_probs), begins[:-1]) / np.diff(begins)
    if len(words) >= _FEWEST_JUDGED and float(chances.mean()) < _LEAST_LIKELY:
        raise TextMismatch("The text is not what is spoken in the recording.")
    return _Attention(times[firsts[:-1]], times[firsts[:-1] + 1], tuple(chances.tolist()))


def _pairs(tokenizer: Any, word: str) -> list[int]:
    """The tokens of a space and of each two characters of the word."""
    tokens: list[int] = tokenizer.encode(" ")
    for at in range(0, len(word), _CHARACTERS):
        tokens += tokenizer.encode(word[at : at + _CHARACTERS])
    return tokens


def _encoded(model: WhisperModel, samples: Samples) -> tuple[Any, int]:
    """The encoder's states of the audio alone, not of a whole window of 30 s, and the number of its frames."""
    features = model.feature_extractor(samples)
    frames = min(samples.size * _FRAMES_A_SECOND // SAMPLE_RATE, features.shape[-1])
    wide = (frames + _TRAILING + 1) // 2 * 2
    window = np.zeros((features.shape[0], wide), dtype=np.float32)
    window[:, :frames] = features[:, :frames]
    return model.encode(window), frames


def _times(path: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """Where each token begins on the path of (token, position); the end of the text too."""
    tokens, positions = np.asarray(path, dtype=np.int64).T
    begins = np.diff(tokens, prepend=-1) > 0
    return np.asarray(positions[begins] / _POSITIONS_A_SECOND, dtype=np.float64)


def _placed(heard: _Attention, sound: Condensed, duration: float) -> list[Timing]:
    """Each word from its border to the next, on the audio's own time line, pauses between the words."""
    borders = [0.0, *heard.borders[1:].tolist(), sound.duration]
    starts = [
        sound.original(max(border, letter - _LATE))
        for border, letter in zip(borders, heard.letters.tolist(), strict=False)
    ]
    ends = [sound.original(border, is_end=True) for border in borders[1:]]
    starts[0] = max(starts[0], sound.onset(0))
    ends[-1] = min(ends[-1], sound.offset(len(sound.parts) - 1, duration))
    for part, cut in enumerate(sound.cuts):
        nearest = int(np.argmin(np.abs(np.asarray(borders) - cut)))
        if abs(borders[nearest] - cut) > _SNAPPED:
            continue
        if nearest < len(starts):
            starts[nearest] = sound.onset(part + 1)
        if nearest > 0:
            ends[nearest - 1] = sound.offset(part, duration)
    return [
        Timing(start, max(start, end), probability(chance))
        for start, end, chance in zip(starts, ends, heard.likely, strict=True)
    ]
