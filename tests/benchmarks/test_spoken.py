"""Synthetic speech says truly where its words lie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from benchmarks.spoken import Speech, Unspeakable, resampled
from tests.speaking import espeak_or_skip


def _level(samples: Samples, start: float, end: float) -> float:
    part = samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    return float(np.sqrt(np.square(part).mean())) if part.size else 0.0


@pytest.fixture(scope="module")
def speech() -> Speech:
    return espeak_or_skip().say("Stop, take five. Bob - paid 5 dollars!", "en-us", 140)


def test_words_are_those_of_the_text_in_order(speech: Speech) -> None:
    assert [word.text for word in speech.words] == ["Stop,", "take", "five.", "Bob", "paid", "5", "dollars!"]
    for before, after in pairwise(speech.words):
        assert before.end is not None
        assert after.start is not None
        assert before.end <= after.start
    assert speech.words[-1].end is not None
    assert speech.words[-1].end <= speech.duration


def test_words_sound_and_the_pauses_between_them_do_not(speech: Speech) -> None:
    for word in speech.words:
        assert word.start is not None
        assert word.end is not None
        assert _level(speech.samples, word.start, word.end) > 0.01
    for before, after in pairwise(speech.words):
        if before.text[-1] in ",.":
            assert before.end is not None
            assert after.start is not None
            assert after.start - before.end > 0.1
            assert _level(speech.samples, before.end + 0.08, after.start) < 0.003


def test_another_rate_moves_nothing() -> None:
    click = np.zeros(22_050, dtype=np.float32)
    click[11_025] = 1.0
    found = resampled(click, 22_050)
    assert found.size == SAMPLE_RATE
    assert int(np.abs(found).argmax()) == SAMPLE_RATE // 2


def test_a_voice_that_there_is_not_is_said() -> None:
    with pytest.raises(Unspeakable):
        espeak_or_skip().say("hello", "nobody")
