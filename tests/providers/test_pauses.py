"""Pauses told by level, and audio without them."""

from __future__ import annotations

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from providers.pauses import MARGIN, Condensed, pauses

RANDOM = np.random.default_rng(5)


def _sounds(*parts: tuple[float, bool]) -> Samples:
    """Seconds of loud or of nearly silent noise."""
    levels = np.concatenate([np.full(int(seconds * SAMPLE_RATE), 0.2 if loud else 3e-4) for seconds, loud in parts])
    return (RANDOM.standard_normal(levels.size) * levels).astype(np.float32)


def test_pauses_are_found_to_a_hundredth_of_a_second_and_short_ones_are_none() -> None:
    found = pauses(
        _sounds((0.5, False), (1.0, True), (0.08, False), (0.5, True), (0.4, False), (1.0, True), (0.05, False))
    )
    assert [(span.start, span.end) for span in found[:2]] == [
        (0.0, pytest.approx(0.5, abs=0.021)),
        (pytest.approx(2.08, abs=0.021), pytest.approx(2.48, abs=0.021)),
    ]
    assert found[-1].end == pytest.approx(3.53)
    assert len(found) in (2, 3)


@pytest.mark.parametrize("loud", [True, False])
def test_of_steady_sound_nothing_is_known_to_be_a_pause(loud: bool) -> None:
    samples = _sounds((3.0, loud))
    assert pauses(samples) == ()
    assert Condensed(samples).samples.size == samples.size


def test_condensed_time_goes_back_to_where_it_came_from() -> None:
    sound = Condensed(_sounds((1.0, False), (1.0, True), (2.0, False), (1.0, True), (1.0, False)))
    assert len(sound.parts) == 2
    assert sound.duration == pytest.approx(2.0 + 4 * MARGIN, abs=0.1)
    (cut,) = sound.cuts
    assert sound.original(cut, is_end=True) == pytest.approx(2.0 + MARGIN, abs=0.03)
    assert sound.original(cut) == pytest.approx(4.0 - MARGIN, abs=0.03)
    assert sound.onset(1) == pytest.approx(4.0, abs=0.03)
    assert sound.offset(0, 6.0) == pytest.approx(2.0, abs=0.03)
    assert sound.original(sound.duration, is_end=True) == pytest.approx(5.0 + MARGIN, abs=0.03)


@pytest.mark.parametrize("count", [0, 1, 100, 161])
def test_next_to_nothing_is_taken_whole(count: int) -> None:
    assert Condensed(np.zeros(count, dtype=np.float32)).samples.size == count
