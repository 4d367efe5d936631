"""Intervals by bootstrap over utterances (Bisani and Ney 2004): how far a rate would vary with other utterances.

A rate is a ratio of sums, errors over units. Resamples draw utterances with replacement; of two runs on the same
utterances both are drawn together, so that what is hard for both does not count as a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 0
_AT_ONCE = 4_000_000
"""Numbers drawn at once: a block of resamples takes some 32 MB, whatever the size of the set."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Errors and units of one utterance: wrong words and words, wrong seconds and seconds of speech."""

    errors: float
    units: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the value lies with 95 % confidence."""

    low: float
    high: float


def rate(amounts: Sequence[Amounts]) -> float | None:
    """All errors over all units; None where there are no units."""
    units = sum(each.units for each in amounts)
    return sum(each.errors for each in amounts) / units if units else None


def rate_interval(amounts: Sequence[Amounts], seed: int = SEED) -> Interval | None:
    """The interval of a rate; None for fewer than two utterances, which say nothing about others."""
    if len(amounts) < 2:
        return None
    return _interval(_resampled([amounts], seed)[0])


def difference_interval(one: Sequence[Amounts], other: Sequence[Amounts], seed: int = SEED) -> Interval | None:
    """The interval of the rate of ``one`` less that of ``other``, utterance for utterance the same; None as above."""
    if len(one) != len(other):
        raise ValueError("Runs are compared on the same utterances.")
    if len(one) < 2:
        return None
    rates = _resampled([one, other], seed)
    return _interval(rates[0] - rates[1])


def _resampled(runs: Sequence[Sequence[Amounts]], seed: int) -> NDArray[np.float64]:
    """Rates of each run in each resample, shape (runs, resamples); not a number where a resample has no units."""
    draw = np.random.default_rng(seed)
    numbers = np.array([[(each.errors, each.units) for each in run] for run in runs], dtype=np.float64)
    count = numbers.shape[1]
    rows = max(1, _AT_ONCE // count)
    blocks = []
    for begin in range(0, RESAMPLES, rows):
        chosen = draw.integers(0, count, size=(min(rows, RESAMPLES - begin), count))
        sums = numbers[:, chosen].sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            blocks.append(sums[..., 0] / sums[..., 1])
    return np.concatenate(blocks, axis=1)


def _interval(values: NDArray[np.float64]) -> Interval | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))
