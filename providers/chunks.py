"""Cutting audio into chunks of bounded length, at the quietest moments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from audio.samples import SAMPLE_RATE, Samples

_FRAME = SAMPLE_RATE // 50
_SEARCHED = 0.4
"""Share of a chunk, at its end, in which the quietest moment is looked for."""


def quiet_cuts(samples: Samples, seconds: float) -> tuple[tuple[int, int], ...]:
    """First and last sample (exclusive) of chunks of at most ``seconds``, without gaps, cut where it is quietest."""
    longest = int(seconds * SAMPLE_RATE)
    cuts = [0, *_cuts(samples, longest), samples.size]
    return tuple(itertools.pairwise(cuts))


def _cuts(samples: Samples, longest: int) -> Iterator[int]:
    start = 0
    while samples.size - start > longest:
        earliest = start + int(longest * (1 - _SEARCHED))
        start = _quietest(samples, earliest, start + longest)
        yield start


def _quietest(samples: Samples, earliest: int, latest: int) -> int:
    """The middle of the quietest frame between two positions; of equally quiet ones the last."""
    frames = samples[earliest:latest]
    frames = frames[: frames.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    energies = np.square(frames).sum(axis=1)
    return earliest + (len(energies) - 1 - int(np.argmin(energies[::-1]))) * _FRAME + _FRAME // 2
