"""What cannot be speech, told by level; and cutting where it is quiet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.samples import SAMPLE_RATE, Samples
from providers.chunks import quiet_cuts
from providers.sound import may_be_speech
from tests.conftest import Clip
from tests.providers.conftest import Decode

RANDOM = np.random.default_rng(3)


def _noise(seconds: float, level: float) -> Samples:
    return (RANDOM.standard_normal(int(seconds * SAMPLE_RATE)) * level).astype(np.float32)


def test_every_real_clip_may_be_speech_also_when_it_is_quiet_or_noisy(clips: list[Clip], decode: Decode) -> None:
    for clip in clips:
        samples = decode(clip.path)
        assert may_be_speech(samples), clip.name
        assert may_be_speech(samples * np.float32(0.01)), clip.name
        assert may_be_speech(samples + _noise(len(samples) / SAMPLE_RATE, 0.003)), clip.name


def test_a_clip_in_noise_as_loud_as_itself_may_be_speech(clips: list[Clip], decode: Decode) -> None:
    for clip in clips:
        samples = decode(clip.path)
        level = float(np.sqrt(np.mean(np.square(samples))))
        assert may_be_speech(samples + _noise(len(samples) / SAMPLE_RATE, level)), clip.name


@pytest.mark.parametrize("seconds", [0.5, 3, 30])
@pytest.mark.parametrize("level", [0.002, 0.05, 0.5])
def test_steady_noise_is_no_speech(seconds: float, level: float) -> None:
    assert not may_be_speech(_noise(seconds, level))


@pytest.mark.parametrize("seconds", [0, 0.02, 10])
def test_silence_is_no_speech(seconds: float) -> None:
    assert not may_be_speech(np.zeros(int(seconds * SAMPLE_RATE), np.float32))
    assert not may_be_speech(_noise(seconds, 0.0001))


def test_a_moment_is_given_the_benefit_of_the_doubt() -> None:
    assert may_be_speech(_noise(0.3, 0.1))


def test_speech_after_long_noise_is_found(short: Clip, decode: Decode) -> None:
    speech = decode(short.path)
    assert may_be_speech(np.concatenate([_noise(10, 0.002), speech, _noise(10, 0.002)]))


@given(st.integers(1, 40 * SAMPLE_RATE), st.integers(1, 12))
def test_chunks_cover_the_audio_without_gaps_and_keep_their_length(size: int, seconds: int) -> None:
    samples = np.sin(np.arange(size, dtype=np.float32) / 977)
    cuts = quiet_cuts(samples, seconds)
    assert (cuts[0][0], cuts[-1][1]) == (0, size)
    assert all(before[1] == after[0] for before, after in pairwise(cuts))
    assert all(0 < last - first <= seconds * SAMPLE_RATE for first, last in cuts)


def test_audio_is_cut_where_it_is_quiet() -> None:
    samples = _noise(50, 0.1)
    samples[int(24.0 * SAMPLE_RATE) : int(24.5 * SAMPLE_RATE)] = 0
    (_, cut), _ = quiet_cuts(samples, 30)
    assert 24.0 < cut / SAMPLE_RATE < 24.5
