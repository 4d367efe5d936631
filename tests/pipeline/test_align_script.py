"""Times for a user's own text, with a scripted aligner: what is refused, what is tried again, what is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from audio.samples import Samples
from pipeline.align_script import align_script
from pipeline.observer import Unobserved
from providers.aligner import Timing
from providers.fake_steps import FakeAligner
from providers.role import StepWatch
from speech.errors import TextMismatch
from tests.pipeline.test_align import Picky, in_order, noise, said

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
