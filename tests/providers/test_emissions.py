"""The best path of a text through the emissions of a CTC network, beside all paths that there are."""

from __future__ import annotations

import time
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.emissions import Emissions, forced_path

BLANK = 0


def _random(frames: int, labels: int, seed: int) -> Emissions:
    chances = np.random.default_rng(seed).random((frames, labels)).astype(np.float32) + 1e-3
    return np.log(chances / chances.sum(axis=1, keepdims=True))


def _collapsed(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in groupby(path) if label != BLANK]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 2), min_size=1, max_size=4), st.integers(0, 10_000))
def test_the_path_is_the_likeliest_of_all_paths(frames: int, labels: list[int], seed: int) -> None:
    emissions = _random(frames, 3, seed)
    paths = [path for path in product(range(3), repeat=frames) if _collapsed(path) == labels]
    found = forced_path(emissions, labels, BLANK)
    if not paths:
        assert found is None
        return
    best = max(float(emissions[np.arange(frames), path].sum()) for path in paths)
    assert found is not None
    written = np.zeros(frames, dtype=np.int64)
    for label, place in zip(labels, found, strict=True):
        written[place.first : place.last] = label
    assert _collapsed(tuple(written.tolist())) == labels
    assert float(emissions[np.arange(frames), written].sum()) == pytest.approx(best, abs=1e-4)


def test_labels_lie_where_they_are_emitted_with_their_probability() -> None:
    emissions = np.full((40, 4), np.log(0.02), dtype=np.float32)
    emissions[:, BLANK] = np.log(0.94)
    for label, first, last in ((1, 5, 8), (2, 15, 16), (2, 20, 23), (3, 33, 39)):
        emissions[first:last] = np.log(0.05 / 3)
        emissions[first:last, label] = np.log(0.95)
    found = forced_path(emissions, [1, 2, 2, 3], BLANK)
    assert found is not None
    assert [(one.first, one.last) for one in found] == [(5, 8), (15, 16), (20, 23), (33, 39)]
    assert all(one.probability == pytest.approx(0.95, abs=1e-3) for one in found)


def test_more_labels_than_frames_have_no_path_and_no_labels_an_empty_one() -> None:
    assert forced_path(_random(3, 4, 0), [1, 2, 3, 1], BLANK) is None
    assert forced_path(_random(3, 4, 0), [1, 1, 2], BLANK) is None
    assert forced_path(_random(3, 4, 0), [], BLANK) == ()


def test_half_a_minute_is_done_in_less_than_a_second() -> None:
    emissions = _random(1500, 32, 1)
    labels = [1 + index % 31 for index in range(450)]
    began = time.process_time()
    assert forced_path(emissions, labels, BLANK) is not None
    assert time.process_time() - began < 1.0
