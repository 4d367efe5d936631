"""What every aligner keeps. A test class inherits from `AlignerContract` and gives its aligner."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from benchmarks.spoken import Speech
from providers.aligner import Aligner, Timing
from providers.role import StepWatch
from speech.errors import JobCancelled, TextMismatch
from tests.providers.conftest import PATIENCE
from tests.speaking import espeak_or_skip

SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the river bank, and nobody saw it.",
    "Captain Morrison turned the ship around because a storm was coming from the northern coast.",
)
PAUSE = 1.5


def promises(timings: Sequence[Timing], words: Sequence[str], duration: float) -> None:
    """Fail unless the timings are as `Aligner.align` says."""
    assert len(timings) == len(words)
    for timing in timings:
        assert 0 <= timing.start <= timing.end <= duration
        assert timing.confidence is None or 0 <= timing.confidence <= 1
    for before, after in pairwise(timings):
        assert before.end <= after.start


def start_errors(speech: Speech, timings: Sequence[Timing]) -> list[float]:
    """Seconds between the starts that were found and those that are."""
    pairs = zip(timings, speech.words, strict=True)
    return [abs(timing.start - word.start) for timing, word in pairs if word.start is not None]


def passage(words_a_minute: int) -> tuple[list[Speech], Samples]:
    """Two sentences with silence before, between and behind them, and faint noise over all."""
    spoken = [espeak_or_skip().say(line, "en-us", words_a_minute) for line in SENTENCES]
    silence = np.zeros(int(PAUSE * SAMPLE_RATE), dtype=np.float32)
    samples = np.concatenate([silence, spoken[0].samples, silence, spoken[1].samples, silence])
    return spoken, samples + np.random.default_rng(1).normal(0, 3e-4, samples.size).astype(np.float32)


class AlignerContract:
    """The suite."""

    median: ClassVar[float] = 0.04
    within: ClassVar[float] = 0.12

    @pytest.fixture
    def aligner(self) -> Aligner:
        raise NotImplementedError

    @pytest.mark.parametrize("words_a_minute", [140, 190])
    def test_words_begin_where_they_are_spoken(self, aligner: Aligner, words_a_minute: int) -> None:
        spoken, samples = passage(words_a_minute)
        words = [word.text for speech in spoken for word in speech.words]
        timings = aligner.align(samples, words, "en")
        promises(timings, words, samples.size / SAMPLE_RATE)
        first = len(spoken[0].words)
        errors = []
        for speech, found, at in (
            (spoken[0], timings[:first], PAUSE),
            (spoken[1], timings[first:], 2 * PAUSE + spoken[0].duration),
        ):
            moved = [Timing(timing.start - at, timing.end - at) for timing in found]
            errors += start_errors(speech, moved)
            assert start_errors(speech, moved)[0] <= self.within, "the first word behind a pause begins in the pause"
        assert np.median(errors) <= self.median
        assert np.mean(np.asarray(errors) <= self.within) >= 0.93

    def test_numbers_marks_and_emoji_come_back_as_given(self, aligner: Aligner) -> None:
        speech = espeak_or_skip().say("In the year 1999 she paid 20 dollars to the driver")
        words = [word.text for word in speech.words]
        words[3:3] = ["-"]
        words += ["...", "\N{GRINNING FACE}"]
        timings = aligner.align(speech.samples, words, "en")
        promises(timings, words, speech.duration)
        places = dict(zip(words, timings, strict=True))
        known = {word.text: word for word in speech.words}
        for number in ("1999", "20"):
            assert places[number].start == pytest.approx(known[number].start, abs=0.15)
            assert places[number].end > places[number].start
        assert timings[2].end <= timings[3].start <= timings[3].end <= timings[4].start
        assert timings[-1].start >= timings[-3].end

    @pytest.mark.parametrize("seconds", [0.02, 0.3, 5.0])
    def test_silence_and_audio_of_any_length_give_times_or_a_mismatch(self, aligner: Aligner, seconds: float) -> None:
        samples = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)
        for words in (["Hello"], ["Hello", "world", "how", "are", "you", "today", "friend"], ["-"]):
            with suppress(TextMismatch):
                promises(aligner.align(samples, words, "en"), words, seconds)

    def test_a_cancelled_job_stops(self, aligner: Aligner) -> None:
        speech = espeak_or_skip().say("This sentence is never aligned")
        with pytest.raises(JobCancelled):
            aligner.align(speech.samples, ["This"], "en", StepWatch(cancelled=lambda: True))

    def test_many_threads_find_what_one_finds(self, aligner: Aligner) -> None:
        lines = ("Good morning everyone", "We leave tomorrow at noon", "Nobody knows the answer")
        spoken = [espeak_or_skip().say(line) for line in lines]
        together = threading.Barrier(len(spoken))

        def align(speech: Speech) -> tuple[Timing, ...]:
            together.wait(PATIENCE)
            return aligner.align(speech.samples, [word.text for word in speech.words], "en")

        with ThreadPoolExecutor(len(spoken)) as pool:
            at_once = list(pool.map(align, spoken))
        assert at_once == [
            aligner.align(speech.samples, [word.text for word in speech.words], "en") for speech in spoken
        ]

    def test_it_says_what_it_is(self, aligner: Aligner) -> None:
        assert aligner.availability().available
        assert aligner.abilities.knows("en-US")
        assert aligner.longest >= 10
        assert aligner.identity() == [aligner.name, aligner.version, aligner.engine_version(), aligner.digest()]
        assert aligner.digest().startswith("sha256:")
        assert pickle.loads(pickle.dumps(aligner.availability())) == aligner.availability()
