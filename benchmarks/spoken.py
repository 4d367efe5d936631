"""Speech whose word times are known exactly, because a synthesiser made it and said where each word lies.

espeak-ng tells of every word and phone as it is made, flite keeps the utterance that it spoke: both by their C
libraries (Debian: libespeak-ng1, flite). Their times are those of the samples, without any recogniser.
"""

from __future__ import annotations

import _ctypes
import ctypes
import ctypes.util
import functools
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples

_LOCK = threading.Lock()
"""Both libraries keep their state in globals."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as written, and where it is spoken, in seconds; None where a synthesiser made one of two ("of the")."""

    text: str
    start: float | None
    end: float | None


@dataclass(frozen=True, slots=True)
class Speech:
    """Mono float32 samples at 16 kHz, and their words."""

    voice: str
    language: str
    samples: Samples
    words: tuple[SpokenWord, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.size / SAMPLE_RATE


class Unspeakable(RuntimeError):
    """The synthesiser is not installed, or does not tell words apart as the text does."""


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_END_OF_LIST, _WORD, _PHONEME = 0, 1, 7
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_RATE_PARAMETER, _PITCH_PARAMETER = 1, 3
_HEARD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@contextmanager
def _espeak() -> Iterator[tuple[ctypes.CDLL, int]]:
    """A library of its own, made ready, and its sampling rate.

    What it says depends on what it said before: its voices tremble by counters that nothing sets back. A copy of the
    file is loaded as another library, with counters that stand at zero.
    """
    with tempfile.NamedTemporaryFile(suffix=".so") as copy:
        shutil.copyfile(_espeak_file(), copy.name)
        library = ctypes.CDLL(copy.name)
    try:
        yield library, library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


@functools.cache
def _espeak_file() -> str:
    """Where the library lies."""
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise Unspeakable("espeak-ng is not installed: apt-get install espeak-ng")
    ctypes.CDLL(name)
    paths = (line.rsplit(maxsplit=1)[-1] for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines())
    return next(path for path in paths if name in path)


class Espeak:
    """espeak-ng: any of its voices ("en-us", "de", "en-gb+f3"), words a minute, pitch 0 to 99."""

    def __init__(self) -> None:
        _espeak_file()

    def say(self, text: str, voice: str = "en-us", words_a_minute: int = 160, pitch: int = 50) -> Speech:
        """The text spoken, the same each time; words are parted by spaces, and a mark of its own belongs to nobody's
        time."""
        with _LOCK, _espeak() as (library, rate):
            ctypes.CDLL(None).srand(1)  # its noises come from rand()
            samples, events = self._spoken(library, text, voice, words_a_minute, pitch)
        words = _espeak_words(text, events, samples.size / rate, rate)
        language = voice.split("+")[0].split("-")[0]
        return Speech(f"espeak-ng {voice} {words_a_minute}", language, resampled(samples, rate), words)

    def _spoken(
        self, library: ctypes.CDLL, text: str, voice: str, words_a_minute: int, pitch: int
    ) -> tuple[NDArray[np.float32], list[tuple[int, int, str]]]:
        blocks: list[NDArray[np.int16]] = []
        events: list[tuple[int, int, str]] = []

        def heard(wave: Any, count: int, event: Any) -> int:
            if count:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            index = 0
            while event[index].type != _END_OF_LIST:
                one = event[index]
                if one.type == _WORD:
                    events.append((one.sample, one.text_position, ""))
                elif one.type == _PHONEME:
                    events.append((one.sample, 0, one.id.decode(errors="replace")))
                index += 1
            return 0

        callback = _HEARD(heard)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()):
            raise Unspeakable(f"espeak-ng has no voice {voice}.")
        library.espeak_SetParameter(_RATE_PARAMETER, words_a_minute, 0)
        library.espeak_SetParameter(_PITCH_PARAMETER, pitch, 0)
        encoded = text.encode() + b"\0"
        library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        return np.concatenate(blocks).astype(np.float32) / 32768, events


class Flite:
    """flite: the American and Scottish voices that its library holds; ``stretch`` above 1 speaks slower."""

    VOICES: ClassVar = ("slt", "rms", "kal16", "awb")

    def __init__(self) -> None:
        self._flite = _library("flite")
        for name in ("cmulex", "usenglish"):
            _library(f"flite_{name}")
        self._flite.flite_init()
        for name, gives in _FLITE_FUNCTIONS.items():
            getattr(self._flite, name).restype = gives
        self._voices: dict[str, ctypes.c_void_p] = {}

    def say(self, text: str, voice: str = "slt", stretch: float = 1.0) -> Speech:
        """The text spoken; only texts whose words flite takes as they are (no digits, no marks of their own)."""
        with _LOCK:
            spoken = self._flite.flite_synth_text(text.encode(), self._voice(voice, stretch))
            try:
                samples, rate = self._wave(spoken)
                found = tuple(self._words(spoken))
            finally:
                self._flite.delete_utterance(ctypes.c_void_p(spoken))
        return Speech(f"flite {voice} x{stretch:g}", "en", resampled(samples, rate), tuple(_as_written(text, found)))

    def _voice(self, name: str, stretch: float) -> ctypes.c_void_p:
        if name not in self._voices:
            register = getattr(_library(f"flite_cmu_us_{name}"), f"register_cmu_us_{name}")
            register.restype = ctypes.c_void_p
            self._voices[name] = ctypes.c_void_p(register(None))
        voice = self._voices[name]
        features = _Voice.from_address(voice.value or 0).features
        self._flite.feat_set_float(
            ctypes.c_void_p(features), ctypes.c_char_p(b"duration_stretch"), ctypes.c_float(stretch)
        )
        return voice

    def _wave(self, spoken: int) -> tuple[NDArray[np.float32], int]:
        wave = _Wave.from_address(self._flite.utt_wave(ctypes.c_void_p(spoken)))
        return np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768, wave.sample_rate

    def _words(self, spoken: int) -> Iterator[SpokenWord]:
        relation = self._flite.utt_relation(ctypes.c_void_p(spoken), ctypes.c_char_p(b"Word"))
        item = self._flite.relation_head(ctypes.c_void_p(relation))
        while item:
            text = self._flite.item_feat_string(ctypes.c_void_p(item), ctypes.c_char_p(b"name")).decode()
            start, end = (self._position(item, path) for path in (_FIRST_PHONE_START, _LAST_PHONE_END))
            yield SpokenWord(text, start, end)
            item = self._flite.item_next(ctypes.c_void_p(item))

    def _position(self, item: int, path: bytes) -> float:
        return float(self._flite.ffeature_float(ctypes.c_void_p(item), ctypes.c_char_p(path)))


_FIRST_PHONE_START = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
_LAST_PHONE_END = b"R:SylStructure.daughtern.daughtern.R:Segment.end"
_FLITE_FUNCTIONS: dict[str, Any] = {
    "flite_synth_text": ctypes.c_void_p,
    "utt_wave": ctypes.c_void_p,
    "utt_relation": ctypes.c_void_p,
    "relation_head": ctypes.c_void_p,
    "item_next": ctypes.c_void_p,
    "item_feat_string": ctypes.c_char_p,
    "ffeature_float": ctypes.c_float,
}


class _Wave(ctypes.Structure):
    """cst_wave of flite."""

    _fields_: ClassVar = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class _Voice(ctypes.Structure):
    """The head of cst_voice of flite."""

    _fields_: ClassVar = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


def _library(name: str) -> ctypes.CDLL:
    path = ctypes.util.find_library(name)
    if path is None:
        raise Unspeakable(f"lib{name} is not installed: apt-get install flite")
    return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def _espeak_words(text: str, events: list[tuple[int, int, str]], duration: float, rate: int) -> tuple[SpokenWord, ...]:
    """Each word from its first event to the next word's, or to the pause before that."""
    starts = dict(_word_events(events))
    pauses = [sample for sample, position, phone in events if not position and phone.startswith("_")]
    found: list[tuple[str, int | None]] = []
    after = 0
    for word in re.finditer(r"\S*\w\S*", text):  # the event of a word behind a dash lies on the dash
        found.append(
            (word.group(), next((starts[at] for at in range(after + 1, word.end() + 1) if at in starts), None))
        )
        after = word.end()
    following = [start for _, start in found[1:]] + [round(duration * rate)]
    return tuple(
        SpokenWord(word, None if start is None else start / rate, _end(start, after, pauses, rate))
        for (word, start), after in zip(found, following, strict=True)
    )


def _word_events(events: list[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Place in the text and sample of each word; the end of a clause comes as an event at a place before."""
    last = 0
    for sample, position, _ in events:
        if position > last:
            yield position, sample
            last = position


def _end(start: int | None, following: int | None, pauses: list[int], rate: int) -> float | None:
    if start is None or following is None:
        return None
    return min([pause for pause in pauses if start < pause < following], default=following) / rate


def resampled(samples: NDArray[np.float32], rate: int) -> Samples:
    """Any rate to 16 kHz by the Fourier transform: nothing is moved in time."""
    count = round(samples.size * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=spectrum.dtype)
    shared = min(kept.size, spectrum.size)
    kept[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(kept, count) * (count / samples.size), dtype=np.float32)


def _as_written(text: str, found: tuple[SpokenWord, ...]) -> Iterator[SpokenWord]:
    """flite parts "didn't" in two: the words of the text again."""
    rest = list(found)
    for word in text.split():
        parts = [rest.pop(0)] if rest else []
        while rest and _bare("".join(part.text for part in parts)) != _bare(word):
            parts.append(rest.pop(0))
        if _bare("".join(part.text for part in parts)) != _bare(word):
            raise Unspeakable("flite told of other words than those of the text.")
        yield SpokenWord(word, parts[0].start, parts[-1].end)


def _bare(word: str) -> str:
    return re.sub("[^a-z]", "", word.lower())
