"""Cutting where it is quiet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.spool import Spool
from pipeline.quiet import quietest


def _spool(folder: Path, levels: list[float]) -> Spool:
    """Tenths of a second of noise, each as loud as said."""
    noise = np.random.default_rng(2).standard_normal(1600 * len(levels)) * np.repeat(levels, 1600)
    path = folder / "samples.pcm"
    (noise * 3000).astype("<i2").tofile(path)
    return Spool.at(path)


def test_the_quietest_moment_near_is_taken(tmp_path: Path) -> None:
    spool = _spool(tmp_path, [1, 1, 1, 0.01, 1, 1, 1, 0.001, 1, 1])
    assert quietest(spool, 0.4, 0.4) == pytest.approx(0.35, abs=0.03)
    assert quietest(spool, 0.4, 0.8) == pytest.approx(0.75, abs=0.03)


def test_in_silence_it_is_the_middle_and_never_outside(tmp_path: Path) -> None:
    spool = _spool(tmp_path, [0] * 10)
    assert quietest(spool, 0.4, 0.6) == pytest.approx(0.5, abs=0.03)
    assert 0 <= quietest(spool, 0.0, 0.0, 0.02) <= 1
    assert 0 <= quietest(spool, 5.0, 6.0) <= 1
