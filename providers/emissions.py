"""The best path of a known text through the emissions of a CTC network.

The algorithm is that of Graves et al. (2006): a blank between any two labels and at both ends, the path that is
likeliest taken instead of all of them (as torchaudio's ``forced_align``; Kürzinger et al., 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Emissions = NDArray[np.float32]
"""Log probabilities, shape (frames, labels)."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """First frame of each label, the frame after its last one, and its mean probability in [0, 1]."""

    first: int
    last: int
    probability: float


def forced_path(emissions: Emissions, labels: Sequence[int], blank: int) -> tuple[Aligned, ...] | None:
    """Where each label lies on the best path; None when there are too few frames for the labels.

    Takes frames x labels bytes, and that many steps.
    """
    if not labels:
        return ()
    states = _states(labels, blank)
    skips = _skips(states, blank)
    if emissions.shape[0] < len(labels) + sum(left == right for left, right in pairwise(labels)):
        return None
    path = _best_path(emissions[:, states], skips)
    return tuple(_aligned(emissions, path, 2 * index + 1, label) for index, label in enumerate(labels))


def _states(labels: Sequence[int], blank: int) -> NDArray[np.int64]:
    states = np.full(2 * len(labels) + 1, blank, dtype=np.int64)
    states[1::2] = labels
    return states


def _skips(states: NDArray[np.int64], blank: int) -> NDArray[np.bool_]:
    """Whether a state may follow the one two before it: from label to another label, the blank left out."""
    skips = np.zeros(states.size, dtype=np.bool_)
    skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    return skips


def _best_path(scores: NDArray[np.float32], skips: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The state of each frame (Viterbi)."""
    frames, count = scores.shape
    steps = np.zeros((frames, count), dtype=np.int8)
    best = np.full(count, -np.inf)
    best[:2] = scores[0, :2]
    ways = np.full((3, count), -np.inf)
    for frame in range(1, frames):
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        steps[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + scores[frame]
    state = count - 1 if best[-1] >= best[-2] else count - 2
    path = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = state
        state -= int(steps[frame, state])
    return path


def _aligned(emissions: Emissions, path: NDArray[np.int64], state: int, label: int) -> Aligned:
    first, last = np.searchsorted(path, [state, state + 1])
    return Aligned(int(first), int(last), float(np.exp(emissions[first:last, label]).mean()))
