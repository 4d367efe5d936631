"""A recording of one voice becomes a vector: decoded, checked, and listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from audio.spool import Spool
from audio.vad import VoiceActivity, speech_spans
from pipeline.observer import Observer
from pipeline.recording import Recording
from providers.diarizer import VoiceModel
from providers.role import StepWatch
from speech.errors import InvalidAudio
from speech.options import VadOptions
from speech.speakers import refuse_length

LEAST_SPEECH = 1.5
"""Seconds of a take in which somebody has to speak."""
LONGEST_DECODED = 600.0
"""Seconds after which decoding gives up on what was said to be a take."""
WINDOW_SECONDS = 2.5
"""Of speech, of which each is asked by itself whose voice it is."""
MOST_WINDOWS = 8
"""Each takes as long as a turn on the device does."""
LEAST_WINDOWS = 2
"""That a second voice has to have: a single one may be a cough."""
ONE_VOICE = 0.45
"""Cosine of two halves of a take below which they are of two voices; calibrated in docs/speakers.md."""
_ROUNDS = 10


class SeveralVoices(InvalidAudio):
    """More than one person speaks in a recording that somebody is to be known by."""

    code = "several_voices"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a take: ``duration`` of the recording in seconds, and the unit vector of the voice."""

    duration: float
    vector: tuple[float, ...]


def listen(recording: Recording, model: VoiceModel, voice_activity: VoiceActivity, observer: Observer) -> Heard:
    """The voice of a recording.

    Raises:
        InvalidAudio: it cannot be decoded, is too short or too long, or there is too little speech in it.
        SeveralVoices: more than one person speaks.
        ProviderError: of the model.
        JobCancelled: when the observer said so.

    """
    recording.limits = replace(
        recording.limits, max_audio_seconds=min(recording.limits.max_audio_seconds, LONGEST_DECODED)
    )
    spool = recording.spool(observer)
    refuse_length(spool.duration)
    speech = _speech_of(spool, voice_activity, observer)
    watch = StepWatch(observer.cancelled)

    def embed(samples: Samples) -> NDArray[np.float64]:
        return np.asarray(model.embed(_spooled(samples, recording.folder / "voice.pcm"), watch))

    _refuse_several(speech, embed)
    return Heard(spool.duration, tuple(embed(speech).tolist()))


def _speech_of(spool: Spool, voice_activity: VoiceActivity, observer: Observer) -> Samples:
    probabilities = voice_activity.probabilities(spool, cancelled=observer.cancelled)
    speech = spool.gather(speech_spans(probabilities, VadOptions(), spool.duration))
    if speech.size < LEAST_SPEECH * SAMPLE_RATE:
        raise InvalidAudio(
            f"Somebody speaks in only {speech.size / SAMPLE_RATE:.1f} s of the recording; {LEAST_SPEECH:g} s are "
            "needed. Record another one, closer to the microphone."
        )
    return speech


def _spooled(samples: Samples, path: Path) -> Spool:
    np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tofile(path)
    return Spool.at(path)


def _refuse_several(speech: Samples, embed: Callable[[Samples], NDArray[np.float64]]) -> None:
    vectors: list[NDArray[np.float64]] = []
    for window in windows_of(speech):
        with suppress(InvalidAudio):  # a window may hold a breath; the whole is asked too
            vectors.append(embed(window))
    if likeness_of_halves(vectors) < ONE_VOICE:
        raise SeveralVoices("More than one person speaks in the recording; a take holds one voice alone.")


def windows_of(speech: Samples) -> Iterator[Samples]:
    """So many windows as are asked, or fit, spread over the speech; over little of it they overlap."""
    length = int(WINDOW_SECONDS * SAMPLE_RATE)
    if speech.size >= 2 * length:
        count = min(MOST_WINDOWS, max(2 * LEAST_WINDOWS, speech.size // length))
        for first in np.linspace(0, speech.size - length, count).astype(int).tolist():
            yield speech[first : first + length]


def likeness_of_halves(vectors: Sequence[NDArray[np.float64]]) -> float:
    """The cosine of the two groups that windows of a take fall into most easily, without single ones that are like
    no other: a laugh, a cough; 1 where too few are left.

    Spherical 2-means (Dhillon and Modha, Machine Learning 42, 2001), begun with the two windows that are least alike.
    """
    if len(vectors) < 2 * LEAST_WINDOWS:
        return 1.0
    unit = np.stack([vector / max(float(np.linalg.norm(vector)), 1e-12) for vector in vectors])
    likeness = unit @ unit.T
    first, second = np.unravel_index(int(np.argmin(likeness)), likeness.shape)
    centres = np.stack([unit[first], unit[second]])
    for _ in range(_ROUNDS):
        nearest = np.argmax(unit @ centres.T, axis=1)
        sizes = np.bincount(nearest, minlength=2)
        if sizes.min() < LEAST_WINDOWS:
            larger = int(np.argmax(sizes))
            return likeness_of_halves([vector for vector, group in zip(unit, nearest, strict=True) if group == larger])
        means = np.stack([unit[nearest == group].mean(axis=0) for group in (0, 1)])
        centres = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return float(centres[0] @ centres[1])
