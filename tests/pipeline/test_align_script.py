"""Times for a user's own text: what is refused, what is tried again, what is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE, Samples
from pipeline.align_script import align_script
from pipeline.observer import Unobserved
from providers.aligner import Timing
from providers.fake_steps import FakeAligner
from providers.role import StepWatch
from providers.whisper_aligner import WhisperAligner
from speech.errors import TextMismatch
from speech.transcript import Segment, Word
from tests.pipeline.test_align import Picky, in_order, noise, said, spool_of
from tests.speaking import espeak_or_skip

HEARD = ["it was a bright cold day in April", "and the clocks were striking thirteen"]


class Narrow(Picky):
    """Takes few words at once, as a model whose tokens are many for each word of a language."""

    most = 5

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        self.refused = words[0] if len(words) > self.most else ""
        return super()._align(samples, words, language, watch)


def heard() -> list[Any]:
    return [said(1, HEARD[0]), said(6, HEARD[1])]


def test_a_script_comes_back_line_by_line_with_all_its_words(tmp_path: Path) -> None:
    text = "It was a bright - cold day in April...\n\n  And the old clocks were striking 13! \N{GRINNING FACE}\n"
    aligned = align_script(noise(tmp_path, 12), text, heard(), FakeAligner(), "en", Unobserved())
    assert [segment.text for segment in aligned.segments] == [
        "It was a bright - cold day in April...",
        "And the old clocks were striking 13! \N{GRINNING FACE}",
    ]
    in_order(aligned.segments, 12)


@pytest.mark.parametrize("text", ["", " \n ", "Nobody ever said any of these words in here"])
def test_a_script_that_does_not_belong_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TextMismatch):
        align_script(noise(tmp_path, 12), text, heard(), FakeAligner(), "en", Unobserved())


def test_a_stretch_that_is_too_much_at_once_is_placed_in_parts(tmp_path: Path) -> None:
    aligner = Narrow()
    aligned = align_script(noise(tmp_path, 12), "\n".join(HEARD), heard(), aligner, "en", Unobserved())
    in_order(aligned.segments, 12)
    assert {word.confidence for segment in aligned.segments for word in segment.words} == {0.5}
    assert (aligned.words, aligned.unplaced, aligned.warnings) == (14, 0, ())
    assert len(aligner.windows[0][1]) == 14
    assert sum(len(words) for _, words in aligner.windows if len(words) <= aligner.most) == 14


def test_a_bad_sentence_keeps_no_others_from_their_times_and_is_told(tmp_path: Path) -> None:
    text = f"{HEARD[0]}\nbad luck indeed\n{HEARD[1]}"
    aligned = align_script(noise(tmp_path, 12), text, heard(), Picky("bad"), "en", Unobserved())
    in_order(aligned.segments, 12)
    confidences = [word.confidence for segment in aligned.segments for word in segment.words]
    assert confidences == [0.5] * 7 + [0.9] + [None] * 3 + [0.9] + [0.5] * 5
    assert (aligned.words, aligned.unplaced) == (17, 5)
    assert "5 of 17 words keep the times of the recogniser, or a share" in aligned.warnings[0]


def test_a_chapter_of_which_little_was_recorded_is_placed_as_far_as_it_goes(tmp_path: Path) -> None:
    head, tail = " ".join(["before"] * 1000), " ".join(["behind"] * 1300)
    text = f"{head}\n{HEARD[0]}\n{HEARD[1]}\n{tail}"
    aligned = align_script(noise(tmp_path, 12), text, heard(), FakeAligner(), "en", Unobserved())
    in_order(aligned.segments, 12)
    middle = [word for segment in aligned.segments[1:3] for word in segment.words]
    assert {word.confidence for word in middle} == {0.5}
    assert middle[0].start < 1.2
    assert middle[-1].end > 8.0
    assert (aligned.words, aligned.unplaced) == (2314, 2300)


def test_marks_that_nobody_speaks_are_not_missed(tmp_path: Path) -> None:
    text = f"{HEARD[0]} - \N{GRINNING FACE}\n{HEARD[1]} ..."
    close = [said(1, HEARD[0]), said(4.9, HEARD[1])]
    assert align_script(noise(tmp_path, 8), text, close, FakeAligner(), "en", Unobserved()).unplaced == 0


@pytest.mark.models
def test_a_script_over_minutes_with_errors_and_long_pauses_is_placed(
    whisper_aligner: WhisperAligner, tmp_path: Path
) -> None:
    lines = (
        "The quick brown fox jumps over the lazy dog near the river bank.",
        "Captain Morrison turned the ship around because a storm was coming.",
        "Please remember that the office opens at eight and closes at noon.",
        "Everyone felt better when the old woman finally smiled again.",
    )
    spoken = [espeak_or_skip().say(line, words_a_minute=150) for line in lines]
    silence = np.zeros(12 * SAMPLE_RATE, dtype=np.float32)
    samples = np.concatenate([part for speech in spoken for part in (silence, speech.samples)])
    samples += np.random.default_rng(0).normal(0, 3e-4, samples.size).astype(np.float32)
    truth, heard, at = [], [], 0.0
    for speech in spoken:
        at += 12
        truth += [None if word.start is None else at + word.start for word in speech.words]
        # What a recogniser may have made of it: times off by 0.2 s, some words wrong.
        words = [word for word in speech.words if word.start is not None and word.end is not None]
        heard += [
            Word(at + (word.start or 0) + 0.2, at + (word.end or 0) + 0.2, "what" if index % 6 == 5 else word.text)
            for index, word in enumerate(words)
        ]
        at += speech.duration
    segments = [Segment(heard[0].start, heard[-1].end, "", tuple(heard))]
    found = align_script(
        spool_of(tmp_path, samples), "\n".join(lines), segments, whisper_aligner, "en", Unobserved()
    ).segments
    in_order(found, samples.size / SAMPLE_RATE)
    words = [word for segment in found for word in segment.words]
    errors = [abs(word.start - start) for word, start in zip(words, truth, strict=True) if start is not None]
    assert np.median(errors) <= 0.05
    assert np.mean(np.asarray(errors) <= 0.15) >= 0.9
