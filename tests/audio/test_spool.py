"""Spools give back what was written, window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio.spans import Span
from audio.spool import Spool

Write = Callable[[NDArray[np.generic]], Spool]


@pytest.fixture
def ramp(spooled: Write) -> Spool:
    return spooled(np.arange(-32768, 32768, dtype=np.int16))


def test_samples_are_the_integers_over_32768(ramp: Spool) -> None:
    samples = ramp.read()
    assert samples.dtype == np.float32
    assert samples[0] == -1.0
    assert samples[-1] == np.float32(32767 / 32768)
    assert ramp.sample_count == 65536
    assert ramp.duration == 65536 / 16000


def test_reading_is_clipped_to_the_recording(ramp: Spool) -> None:
    assert len(ramp.read(4.0, 99.0)) == 65536 - 64000
    assert len(ramp.read(99.0, 100.0)) == 0
    assert len(ramp.read(-1.0, 1.0)) == 16000
    assert len(ramp.read(2.0, 1.0)) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(seconds=st.floats(0.0001, 10))
def test_windows_make_up_the_whole(ramp: Spool, seconds: float) -> None:
    windows = list(ramp.windows(max(seconds, 0.01)))
    assert np.array_equal(np.concatenate(windows), ramp.read())
    assert len({len(window) for window in windows[:-1]}) <= 1


def test_gathering_joins_spans(ramp: Spool) -> None:
    gathered = ramp.gather([Span(0.5, 1.0), Span(3.0, 3.25)])
    assert np.array_equal(gathered, np.concatenate([ramp.read(0.5, 1.0), ramp.read(3.0, 3.25)]))
    assert ramp.gather([]).shape == (0,)
    assert ramp.gather([]).dtype == np.float32


def test_a_spool_that_shrank_is_noticed(ramp: Spool) -> None:
    ramp.path.write_bytes(ramp.path.read_bytes()[:1000])
    with pytest.raises(OSError, match="shorter than it was"):
        ramp.read()
