"""Where nobody speaks, told by level, and audio without these pauses.

Attention drifts over silence: a word behind a pause seems to begin in it. Without the pauses there is nothing to drift
over, and each pause is a border between two words that is known to 10 ms.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE, Samples
from audio.spans import Span

SHORTEST_PAUSE = 0.12
"""Seconds; the closures of stops are shorter."""
MARGIN = 0.03
"""Seconds of a pause that are kept on each side."""
_FRAME = SAMPLE_RATE // 100
_SMOOTHED = 3
_QUIET_SHARE = 0.25
"""Share of the way, in dB, from the quietest frames to the loudest, below which a frame is quiet."""
_LEAST_SWING = 12.0
"""Decibels between the quietest and the loudest frames; of audio with less nothing is known to be a pause."""
_FLOOR = 1e-10


def pauses(samples: Samples) -> tuple[Span, ...]:
    """The stretches of at least 120 ms in which nobody speaks, and quiet of any length at the ends; in order."""
    levels = _levels(samples)
    if levels.size == 0:
        return ()
    low, high = (float(level) for level in np.percentile(levels, (5, 95)))
    if high - low < _LEAST_SWING:
        return ()
    quiet = levels < low + _QUIET_SHARE * (high - low)
    duration = samples.size / SAMPLE_RATE
    return tuple(
        Span(first * 0.01, duration if last == quiet.size else last * 0.01)
        for first, last in _runs(quiet)
        if first == 0 or last == quiet.size or (last - first) * 0.01 >= SHORTEST_PAUSE
    )


def _levels(samples: Samples) -> NDArray[np.float64]:
    """The level of each 10 ms in dB; rumble is taken out first."""
    bright = np.diff(samples, prepend=samples[:1]).astype(np.float64)
    frames = bright[: bright.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = 10 * np.log10(np.square(frames).mean(axis=1) + _FLOOR)
    if levels.size < _SMOOTHED:
        return np.asarray(levels)
    padded = np.pad(levels, _SMOOTHED // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")


def _runs(marked: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index (exclusive) of each run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    yield from zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True)


class Condensed:
    """Audio without its pauses, but for 30 ms on each side of them, and the way back to its own time."""

    def __init__(self, samples: Samples) -> None:
        duration = samples.size / SAMPLE_RATE
        self.parts = tuple(_parts(pauses(samples), duration)) or (Span(0.0, duration),)
        """What was kept, in time of the audio."""
        self.samples: Samples = np.concatenate([samples[part.first : part.last] for part in self.parts])
        self._ends = list(accumulate(part.duration for part in self.parts))

    @property
    def duration(self) -> float:
        """Seconds of what was kept."""
        return self._ends[-1]

    @property
    def cuts(self) -> tuple[float, ...]:
        """Where pauses were taken out, in condensed time."""
        return tuple(self._ends[:-1])

    def original(self, time: float, *, is_end: bool = False) -> float:
        """The audio's own time of a condensed ``time``; at a cut, that before the pause for an end, else behind it."""
        place = min((bisect_left if is_end else bisect_right)(self._ends, time), len(self.parts) - 1)
        return self.parts[place].end - (self._ends[place] - time)

    def onset(self, part: int) -> float:
        """Where the sound of a part begins, in the audio's own time."""
        span = self.parts[part]
        return min(span.start + (MARGIN if span.start > 0 else 0.0), span.end)

    def offset(self, part: int, duration: float) -> float:
        """Where the sound of a part ends; ``duration`` is the whole audio's."""
        span = self.parts[part]
        return max(span.end - (MARGIN if span.end < duration else 0.0), span.start)


def _parts(silences: tuple[Span, ...], duration: float) -> Iterator[Span]:
    borders = [Span(0.0, 0.0), *silences, Span(duration, duration)]
    for before, after in pairwise(borders):
        start = max(before.end - MARGIN, 0.0) if before.duration else before.end
        end = min(after.start + MARGIN, duration) if after.duration else after.start
        if after.start > before.end and end > start:
            yield Span(start, end)
