"""Where a recording can be cut without cutting a word."""

from __future__ import annotations

import numpy as np

from audio.samples import SAMPLE_RATE
from audio.spool import Spool

_FRAME = SAMPLE_RATE // 100
_SMOOTHED = 5
REACH = 0.15
"""Seconds on each side in which it is looked for."""


def quietest(spool: Spool, start: float, end: float, reach: float = REACH) -> float:
    """The quietest moment, in seconds, from ``reach`` before ``start`` to ``reach`` after ``end``: the middle of the
    50 ms with the least energy; of equally quiet ones that nearest to the middle."""
    first = max(0.0, min(start, end) - reach)
    last = min(spool.duration, max(start, end) + reach)
    samples = spool.read(first, last)
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) < _SMOOTHED:
        return min(max((start + end) / 2, 0.0), spool.duration)
    energies = np.convolve(np.square(frames).sum(axis=1), np.ones(_SMOOTHED), "valid")
    places = np.flatnonzero(energies <= energies.min() + 1e-9)
    place = places[np.argmin(np.abs(places - len(energies) / 2))]
    return first + (int(place) + _SMOOTHED / 2) * _FRAME / SAMPLE_RATE
