"""Segments written anew: words and times stay where they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from pipeline.punctuate import punctuate_segments
from pipeline.steps import KeptSteps, NoSteps
from providers.fake_steps import FakePunctuator
from providers.punctuator import Gaps
from providers.role import StepCapabilities, StepWatch
from speech.errors import JobCancelled, ProviderProtocolError, UnsupportedOption
from speech.jobs import Stage
from speech.transcript import Segment, Word
from storage.blobs import Blobs
from tests.pipeline.conftest import Noting


class Noted(FakePunctuator):
    """Remembers what it was given; every word gets a comma."""

    name: ClassVar[str] = "noted"
    languages: ClassVar[tuple[str, ...]] = ("de", "en", "zh")

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[tuple[str, ...], str, Gaps | None]] = []

    @property
    def abilities(self) -> StepCapabilities:
        return StepCapabilities(local=True, languages=self.languages)

    def _punctuate(self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None) -> tuple[str, ...]:
        self.given.append((tuple(words), language, gaps))
        watch.advanced(0.5)
        return tuple(f"{word}," for word in words)


def _segment(start: float, text: str, speaker: str | None = None, language: str | None = None) -> Segment:
    """Words of 0.4 s with 0.1 s between them; those after a ``|`` follow without a space."""
    words = [
        Word(
            start + 0.5 * index, start + 0.5 * index + 0.4, part.lstrip("|"), index > 0 and part[0] != "|", 0.9, speaker
        )
        for index, part in enumerate(text.split())
    ]
    written = text.replace(" |", "")
    return Segment(start, words[-1].end, written, tuple(words), language, speaker, confidence=0.8)


def test_one_voice_is_handed_over_in_order_and_everything_but_the_writing_stays(observer: Noting) -> None:
    segments = (_segment(0, "one two", "A"), _segment(1, "yes |sir", "B"), _segment(3, "three", "A"))
    punctuator = Noted()
    written = punctuate_segments("anna", segments, punctuator, "en", NoSteps(), observer)
    assert punctuator.given == [
        (("one", "two", "three"), "en", [0.1, 2.1, None]),
        (("yes", "sir"), "en", [0.1, None]),
    ]
    assert [segment.text for segment in written] == ["one, two,", "yes,sir,", "three,"]
    for before, after in zip(segments, written, strict=True):
        blank = replace(after, text="", words=tuple(replace(word, text="") for word in after.words))
        assert blank == replace(before, text="", words=tuple(replace(word, text="") for word in before.words))
    shares = [share for stage, share in observer.told if stage is Stage.PUNCTUATING]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_text_without_words_keeps_its_spaces_and_scripts_without_spaces_go_by_characters(observer: Noting) -> None:
    segments = (Segment(0, 1, "10\u00a0000 men"), Segment(1, 2, ""), Segment(2, 3, "你好 ok。", language="zh"))
    punctuator = Noted()
    written = punctuate_segments("anna", segments, punctuator, "en", NoSteps(), observer)
    assert [segment.text for segment in written] == ["10\u00a0000, men,", "", "你,好, o,k。,"]
    assert punctuator.given[0] == (("10\u00a0000", "men"), "en", [None, None])


def test_what_was_done_is_found_again_until_words_or_pauses_differ(tmp_path: Path, observer: Noting) -> None:
    steps = KeptSteps(Blobs(str(tmp_path), {}), lambda key: None)
    segments = (_segment(0, "one two"), _segment(2, "three"))
    punctuator = Noted()
    for given in (segments, segments, (segments[0], _segment(3, "three"))):
        punctuate_segments("anna", given, punctuator, "en", steps, observer)
    punctuate_segments("berta", segments, punctuator, "en", steps, observer)
    assert len(punctuator.given) == 3


@pytest.mark.parametrize(("language", "own"), [(None, None), ("en", "fr"), ("fr", None)])
def test_a_language_that_nobody_knows_is_refused(observer: Noting, language: str | None, own: str | None) -> None:
    with pytest.raises(UnsupportedOption):
        punctuate_segments("anna", (_segment(0, "one", language=own),), Noted(), language, NoSteps(), observer)


def test_nothing_is_done_for_a_cancelled_job_or_without_words(observer: Noting) -> None:
    punctuator = Noted()
    assert punctuate_segments("anna", (), punctuator, None, NoSteps(), observer) == ()
    observer.stop = True
    with pytest.raises(JobCancelled):
        punctuate_segments("anna", (_segment(0, "one"),), punctuator, "en", NoSteps(), observer)
    assert punctuator.given == []


def test_a_punctuator_that_changes_words_is_refused(observer: Noting) -> None:
    class Liar(Noted):
        def _punctuate(
            self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None
        ) -> tuple[str, ...]:
            return tuple("lies" for _ in words)

    with pytest.raises(ProviderProtocolError):
        punctuate_segments("anna", (_segment(0, "one two"),), Liar(), "en", NoSteps(), observer)
