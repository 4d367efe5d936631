"""How likely there is speech, moment by moment, small enough to be kept beside what was cut by it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE
from audio.vad import WINDOW

STEPS = 255


@dataclass(frozen=True, slots=True)
class Activity:
    """The probabilities of `VoiceActivity` over a recording, in steps of 1/255: a byte for each 32 ms, compressed and
    written as base64."""

    packed: str

    @classmethod
    def of(cls, probabilities: NDArray[np.float32]) -> Activity:
        """Pack probabilities, one for each window of 512 samples, each in [0, 1]."""
        steps = np.round(probabilities * STEPS).astype(np.uint8)
        return cls(base64.b64encode(zlib.compress(steps.tobytes(), 6)).decode("ascii"))

    def track(self) -> ActivityTrack:
        """Unpacked, to be looked at."""
        steps = np.frombuffer(zlib.decompress(base64.b64decode(self.packed)), dtype=np.uint8)
        return ActivityTrack(steps.astype(np.float32) / np.float32(STEPS))


@dataclass(frozen=True, slots=True)
class ActivityTrack:
    """Probabilities of speech, float32 in [0, 1], one for each window of 512 samples."""

    probabilities: NDArray[np.float32]

    def between(self, start: float, end: float) -> NDArray[np.float32]:
        """Those of the windows that a stretch in seconds touches: at least one, unless it lies outside."""
        first = max(int(start * SAMPLE_RATE) // WINDOW, 0)
        return self.probabilities[first : max(int(end * SAMPLE_RATE) // WINDOW, first) + 1]

    @property
    def voiced_seconds(self) -> float:
        """Seconds in which speech is more likely than not."""
        return float(np.count_nonzero(self.probabilities >= 0.5)) * WINDOW / SAMPLE_RATE
