"""What holds for the cues of any transcript, with any options."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given

from speech.formats.breaks import unspaced
from speech.formats.cues import parallel_cues, single_cues
from speech.formats.timing import Cue
from speech.formats.width import columns, visible
from speech.options import SubtitleOptions
from speech.transcript import Segment, Transcript, Word
from tests.speech.build import spoken, transcript, written
from tests.speech.strategies import subtitles, transcripts

DEFAULT = SubtitleOptions()


def _both(whole: Transcript, options: SubtitleOptions) -> list[tuple[Cue, ...]]:
    return [parallel_cues(whole, options), single_cues(whole, options)]


def _solid(texts: Sequence[str]) -> str:
    """The text without spaces, and without words that cannot be seen."""
    return "".join(part for text in texts for part in re.split(r"\s+", text) if visible(part))


@given(transcripts(), subtitles)
def test_cues_are_sorted_last_and_are_not_blank(whole: Transcript, options: SubtitleOptions) -> None:
    for cues in _both(whole, options):
        assert [cue.start_ms for cue in cues] == sorted(cue.start_ms for cue in cues)
        for cue in cues:
            assert 0 <= cue.start_ms < cue.end_ms
            assert cue.lines
            for line in cue.lines:
                assert visible(line)
                assert line == line.strip()
                assert len(line.splitlines()) == 1


@given(transcripts(), subtitles)
def test_width_and_number_of_lines_are_hard_limits(whole: Transcript, options: SubtitleOptions) -> None:
    said = [text for segment in whole.segments for text in (segment.text, *(word.text for word in segment.words))]
    single_words = {part.strip() for text in said for part in re.split(r"[^\S\u00a0\u2007\u202f]+", text)}
    for cues in _both(whole, options):
        for cue in cues:
            assert len(cue.lines) <= options.max_lines
            for line in cue.lines:
                if columns(line) > options.max_line_width:
                    assert line in single_words or (unspaced("".join(said)) and " " not in line)


@given(transcripts(), subtitles)
def test_parallel_cues_of_a_voice_hold_its_text_and_never_overlap(whole: Transcript, options: SubtitleOptions) -> None:
    cues = parallel_cues(whole, options)
    for voice in {(segment.speaker, segment.channel) for segment in whole.segments}:
        mine = [cue for cue in cues if (cue.speaker, cue.channel) == voice]
        assert all(left.end_ms <= right.start_ms for left, right in pairwise(mine))
        said = [
            part
            for segment in whole.segments
            if (segment.speaker, segment.channel) == voice
            for part in ([word.text for word in segment.words if visible(word.text)] or [segment.text])
        ]
        assert _solid([line for cue in mine for line in cue.lines]) == _solid(said)


@given(transcripts(), subtitles)
def test_single_cues_never_overlap_and_hold_the_whole_text(whole: Transcript, options: SubtitleOptions) -> None:
    cues = single_cues(whole, options)
    assert all(left.end_ms <= right.start_ms for left, right in pairwise(cues))
    said = [
        part
        for segment in whole.segments
        for part in ([word.text for word in segment.words if visible(word.text)] or [segment.text])
    ]
    assert Counter(_solid([line for cue in cues for line in cue.lines])) == Counter(_solid(said))


@given(transcripts(), subtitles)
def test_no_cue_stays_longer_than_asked(whole: Transcript, options: SubtitleOptions) -> None:
    for cues in _both(whole, options):
        assert all(cue.end_ms - cue.start_ms <= max(1, options.max_duration * 1000) for cue in cues)


@given(transcripts())
def test_a_cue_has_its_reading_time_where_there_is_room(whole: Transcript) -> None:
    cues = single_cues(whole, DEFAULT)
    borders = [*(cue.start_ms for cue in cues[1:]), round(whole.duration * 1000)]
    for cue, border in zip(cues, borders, strict=False):
        lasts = cue.end_ms - cue.start_ms
        read = lasts * DEFAULT.max_cps >= cue.characters * 1000
        assert read or cue.end_ms >= border or lasts == DEFAULT.max_duration * 1000


@given(transcripts())
def test_words_are_never_cut(whole: Transcript) -> None:
    narrow = SubtitleOptions(max_line_width=8)
    lines = [f" {line} " for cue in parallel_cues(whole, narrow) for line in cue.lines]
    for segment in whole.segments:
        for text in [word.text for word in segment.words] or [segment.text]:
            for part in text.split(" "):
                if part.isascii() and visible(part):
                    assert any(part in line for line in lines)


def test_segments_without_words_are_not_dropped() -> None:
    cues = parallel_cues(transcript(written("Hello there.", 1.0, 3.0), spoken("General", 4.0)), DEFAULT)
    assert [cue.lines for cue in cues] == [("Hello there.",), ("General",)]
    assert (cues[0].start_ms, cues[0].end_ms) == (1000, 3000)


def test_text_without_words_is_spread_over_its_time() -> None:
    said = "one two three four five six seven eight nine ten " * 4
    cues = parallel_cues(transcript(written(said.strip(), 10.0, 30.0)), DEFAULT)
    assert len(cues) >= 3
    assert (cues[0].start_ms, cues[-1].end_ms) == (10_000, 30_000)
    assert all(left.end_ms == right.start_ms for left, right in pairwise(cues))


def test_a_cue_lasts_into_the_silence_behind_it_but_not_into_the_next() -> None:
    quick = spoken("this was said in a great hurry", 0.0, pace=0.05)
    (alone,) = parallel_cues(transcript(quick), DEFAULT)
    assert alone.end_ms == 30 * 1000 // 20
    first, _ = parallel_cues(transcript(quick, spoken("and then", 0.6)), DEFAULT)
    assert first.end_ms == 600


def test_a_cue_does_not_last_past_the_audio() -> None:
    (cue,) = parallel_cues(transcript(spoken("this was said in a hurry", pace=0.01), duration=0.2), DEFAULT)
    assert cue.end_ms == 200


def test_a_drawn_out_word_ends_with_the_longest_duration() -> None:
    (cue,) = parallel_cues(transcript(written("Goooal", 0.0, 20.0)), DEFAULT)
    assert (cue.start_ms, cue.end_ms) == (0, 7000)


def test_voices_overlap_in_parallel_cues() -> None:
    whole = transcript(written("I think that", 0.0, 4.0, "A"), written("No, wait", 1.0, 2.0, "B"))
    assert [(cue.speaker, cue.start_ms, cue.end_ms) for cue in parallel_cues(whole, DEFAULT)] == [
        ("A", 0, 4000),
        ("B", 1000, 2000),
    ]


def test_what_is_said_together_is_stacked() -> None:
    whole = transcript(written("I think that", 0.0, 4.0, "A"), written("No, wait", 1.0, 2.0, "B"))
    (cue,) = single_cues(whole, DEFAULT)
    assert (cue.start_ms, cue.end_ms, cue.lines) == (0, 4000, ("I think that", "No, wait"))


def test_where_lines_do_not_suffice_voices_take_turns() -> None:
    long = "I think that we should really go and see the house before it rains"
    whole = transcript(written(long, 0.0, 4.0, "A"), written("No, wait", 1.0, 4.0, "B"))
    first, second = single_cues(whole, DEFAULT)
    assert len(first.lines) == 2
    assert first.start_ms == 0
    assert 1000 <= first.end_ms == second.start_ms < second.end_ms == 4000


def test_a_short_overlap_does_not_show_words_long_before_they_are_said() -> None:
    whole = transcript(written("I think that", 0.0, 4.0, "A"), written("No, wait", 3.8, 6.0, "B"))
    first, second = single_cues(whole, DEFAULT)
    assert (first.lines, second.lines) == (("I think that",), ("No, wait",))
    assert 3800 <= second.start_ms <= 4000


def test_a_number_alone_is_not_stacked_last() -> None:
    whole = transcript(written("How old?", 0.0, 2.0, "A"), written("42", 0.0, 2.0, "B"))
    assert [cue.lines for cue in single_cues(whole, DEFAULT)] == [("How old?",), ("42",)]


def test_words_that_take_no_time_still_make_cues_that_do() -> None:
    words = tuple(Word(2.0, 2.0, f"word{number}", number > 0) for number in range(60))
    cues = parallel_cues(transcript(Segment(2.0, 2.0, "", words), duration=2.0), DEFAULT)
    assert len(cues) > 1
    assert all(left.start_ms < left.end_ms <= right.start_ms for left, right in pairwise(cues))


@pytest.mark.parametrize("said", ["日本語のテキストはスペースなしで書かれます。", "ภาษาไทยเขียนโดยไม่มีช่องว่างระหว่างคำ"])
def test_scripts_without_spaces_keep_the_width(said: str) -> None:
    cues = parallel_cues(transcript(written(said * 6, 0.0, 30.0)), SubtitleOptions(max_line_width=20))
    assert max(columns(line) for cue in cues for line in cue.lines) <= 20
    assert "".join(line for cue in cues for line in cue.lines) == said * 6


def test_an_hour_of_words_is_cut_in_reasonable_time() -> None:
    said = "and so on it went for a very long time, until it did not. "
    cues = parallel_cues(transcript(written(said * 1000, 0.0, 3600.0), duration=3600.0), DEFAULT)
    assert len(cues) > 500
