"""English word times from hidden Markov models, by pocketsphinx with the models that lie inside its package."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from audio.samples import SAMPLE_RATE, Samples
from providers.aligner import Aligner, Timing
from providers.context import ProviderContext
from providers.pronunciations import pronunciations
from providers.role import Availability, StepCapabilities, StepWatch
from providers.unspoken import filled, spoken
from speech.errors import JobCancelled, ModelUnavailable, TextMismatch

_FRAMES_A_SECOND = 100
_MEMORY_BYTES = 100_000_000
_SHORTEST = 0.1
"""Seconds of audio; of less the decoder makes nothing."""
_LEAD = 0.2
"""Seconds of silence before the audio and behind it."""
_NOISE = 4.0
"""Steps of 16-bit samples."""
_MOST_WAYS = 9


class PocketsphinxAligner(Aligner):
    """Exact to about 10 ms where the speech is English and clear."""

    name: ClassVar[str] = "pocketsphinx"
    title: ClassVar[str] = "PocketSphinx"
    version: ClassVar[str] = "2"
    longest: ClassVar[float] = 30.0

    def __init__(self, context: ProviderContext) -> None:
        self._engine = context.engine

    @property
    def abilities(self) -> StepCapabilities:
        """English, on this machine."""
        return StepCapabilities(local=True, languages=("en",))

    def availability(self) -> Availability:
        """Whether the packages are installed."""
        missing = [name for name in ("pocketsphinx", "num2words") if find_spec(name) is None]
        if missing:
            mend = "pip install world-of-asr[alignment]"
            return Availability(False, f"{' and '.join(missing)} cannot be imported.", mend)
        return Availability(True)

    def digest(self) -> str:
        """``sha256:...`` over the acoustic model and the dictionary."""
        return self._digest

    def engine_version(self) -> str:
        """The libraries underneath."""
        return ", ".join(f"{name} {version_of(name)}" for name in ("pocketsphinx", "num2words"))

    @cached_property
    def _digest(self) -> str:
        whole = hashlib.sha256()
        for file in sorted(path for path in _folder().rglob("*") if path.is_file() and ".lm" not in path.suffixes):
            whole.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
        return f"sha256:{whole.hexdigest()}"

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        duration = samples.size / SAMPLE_RATE
        said = [index for index, word in enumerate(words) if spoken(word)]
        found: list[Timing | None] = [None] * len(words)
        if said and duration >= _SHORTEST:
            key = (self.name, self.digest())
            with self._engine.pool.borrow(key, _Decoding, _MEMORY_BYTES, cancelled=watch.cancelled) as decoding:
                timings = decoding.align(samples, [words[index] for index in said], lambda: self._turn(watch))
            for index, timing in zip(said, timings, strict=True):
                found[index] = timing
        return filled(found, words, duration)

    @contextmanager
    def _turn(self, watch: StepWatch) -> Iterator[None]:
        """A turn of the processor, where that is the device; beside a GPU it is nobody's scarce thing."""
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while it was aligned.")
        with self._engine.slot(watch.cancelled) if self._engine.device.kind == "cpu" else nullcontext():
            yield


class _Decoding:
    """One decoder, which one thread uses at a time; its dictionary grows by the words that it meets."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        folder = _folder()
        self._alone = threading.Lock()
        self._entries: dict[tuple[str, ...], str] = {}
        try:
            self._decoder = Decoder(
                lm=None,
                hmm=str(folder / "en-us"),
                dict=str(folder / "cmudict-en-us.dict"),
                # Not "live": that goes on from the utterance before, whosever it was.
                cmn="batch",
                # The search over the lattice of words leaves words out, though the text is fixed.
                bestpath=False,
                # Wider than for recognition: the words are given, and a wrong one among them must not end the search.
                beam=1e-100,
                pbeam=1e-100,
                wbeam=1e-80,
                loglevel="FATAL",
            )
        except RuntimeError as error:
            raise ModelUnavailable("The models inside pocketsphinx are broken: install the package anew.") from error

    def align(
        self, samples: Samples, words: Sequence[str], turn: Callable[[], AbstractContextManager[None]]
    ) -> list[Timing]:
        with turn(), self._alone:
            self._decoder.set_align_text(" ".join(self._entry(word) for word in words))
            self._decoder.reinit_feat()  # its noise removal goes on from the utterance before, whosever it was
            self._decoder.start_utt()
            self._decoder.process_raw(_pcm(samples), full_utt=True)
            self._decoder.end_utt()
            # A search that was lost on the way has no hypothesis.
            heard = list(self._decoder.seg()) if self._decoder.hyp() else []
        found = [segment for segment in heard if segment.word.startswith("#")]
        if len(found) != len(words):
            raise TextMismatch("The text is not what is spoken in the recording.")
        return [Timing(_position(segment.start_frame), _position(segment.end_frame + 1)) for segment in found]

    def _entry(self, word: str) -> str:
        """The word's name in the dictionary; words that sound alike share one."""
        ways = pronunciations(word, self._lookup)
        if ways not in self._entries:
            name = f"#{len(self._entries)}"
            for number, phones in enumerate(ways, start=1):
                self._decoder.add_word(name if number == 1 else f"{name}({number})", phones, True)
            self._entries[ways] = name
        return self._entries[ways]

    def _lookup(self, word: str) -> tuple[str, ...]:
        names = (word, *(f"{word}({number})" for number in range(2, _MOST_WAYS)))
        ways: list[str] = []
        for name in names:
            phones: Any = self._decoder.lookup_word(name)
            if phones is None:
                break
            ways.append(phones)
        return tuple(ways)


def _position(frame: int) -> float:
    return max(0.0, frame / _FRAMES_A_SECOND - _LEAD)


def _pcm(samples: Samples) -> bytes:
    """16-bit samples with a little silence around them, where the models want some, and the faintest noise: digital
    silence is nothing that they know."""
    silence = np.zeros(round(_LEAD * SAMPLE_RATE), dtype=np.float32)
    padded = np.concatenate([silence, samples, silence])
    noise = np.random.default_rng(0).uniform(-_NOISE, _NOISE, padded.size)
    return np.clip(padded * 32767 + noise, -32768, 32767).astype("<i2").tobytes()


def _folder() -> Path:
    from pocketsphinx import get_model_path

    return Path(get_model_path()) / "en-us"
