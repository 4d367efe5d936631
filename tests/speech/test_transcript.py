from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speech.transcript import Segment, Word, joined, ordered, plain
from tests.speech.strategies import texts, wild_segments

wild_durations = st.one_of(st.floats(), st.floats(min_value=0, max_value=100))
wild = st.lists(wild_segments(), max_size=6)


@given(wild, wild_durations)
def test_every_segment_lies_in_the_audio_and_takes_no_negative_time(segments: list[Segment], duration: float) -> None:
    end = duration if duration > 0 else 0.0
    for segment in ordered(segments, duration):
        assert 0 <= segment.start <= segment.end <= end
        assert math.copysign(1, segment.start) == 1, "a negative zero is printed as -0.0"


@given(wild, wild_durations)
def test_segments_are_sorted(segments: list[Segment], duration: float) -> None:
    starts = [segment.start for segment in ordered(segments, duration)]
    assert starts == sorted(starts)


@given(wild, wild_durations)
def test_words_follow_one_another_inside_their_segment(segments: list[Segment], duration: float) -> None:
    for segment in ordered(segments, duration):
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(segment.start <= time <= segment.end for time in times)


@given(wild, wild_durations)
def test_one_voice_never_speaks_over_itself(segments: list[Segment], duration: float) -> None:
    until: dict[tuple[str | None, int | None], float] = {}
    for segment in ordered(segments, duration):
        voice = (segment.speaker, segment.channel)
        assert segment.start >= until.get(voice, 0.0)
        until[voice] = segment.end


@given(wild, wild_durations)
def test_text_is_the_words_and_nothing_is_blank(segments: list[Segment], duration: float) -> None:
    for segment in ordered(segments, duration):
        assert segment.text == plain(segment.text) != ""
        assert all(word.text == plain(word.text) != "" for word in segment.words)
        if segment.words:
            assert segment.text == joined(segment.words)
            assert not segment.words[0].space_before


@given(wild, wild_durations)
def test_confidences_are_probabilities(segments: list[Segment], duration: float) -> None:
    kept = ordered(segments, duration)
    given_out = [segment.confidence for segment in kept]
    given_out += [word.confidence for segment in kept for word in segment.words]
    assert all(confidence is None or 0 <= confidence <= 1 for confidence in given_out)


@given(wild, wild_durations)
def test_doing_it_twice_changes_nothing_more(segments: list[Segment], duration: float) -> None:
    once = ordered(segments, duration)
    assert ordered(once, duration) == once


@given(wild, wild_durations)
def test_no_text_is_lost(segments: list[Segment], duration: float) -> None:
    def said(segment: Segment) -> str:
        spoken = [plain(word.text) for word in segment.words if plain(word.text)]
        return "".join(spoken) if spoken else plain(segment.text)

    before = sorted(said(segment).replace(" ", "") for segment in segments if said(segment))
    after = sorted(segment.text.replace(" ", "") for segment in ordered(segments, duration))
    assert after == before


@given(texts)
@example("\ud83d\ude00")
def test_plain_text_is_one_line_that_any_file_takes(text: str) -> None:
    cleaned = plain(text)
    cleaned.encode("utf-8")
    assert len(cleaned.splitlines()) <= 1
    assert cleaned == plain(cleaned) == cleaned.strip()


def test_rounding_does_not_step_past_the_end_of_the_audio() -> None:
    (segment,) = ordered([Segment(0.0, 9.0, "hello")], 1.2349)
    assert segment.end == 1.234


def test_words_that_are_all_blank_leave_the_text() -> None:
    (segment,) = ordered([Segment(1.0, 2.0, "hello\n\nthere", (Word(1, 2, " "),))], 5)
    assert (segment.text, segment.words) == ("hello there", ())


def test_a_segment_of_blank_words_and_no_text_is_left_out() -> None:
    assert ordered([Segment(1.0, 2.0, " \n", (Word(1, 2, " "), Word(2, 2, "\x00")))], 5) == ()


def test_times_that_are_no_numbers_become_the_last_known_ones() -> None:
    nan = math.nan
    words = (Word(1.0, nan, "a"), Word(nan, 2.0, "b"), Word(nan, nan, "c"))
    (segment,) = ordered([Segment(0.5, nan, "", words)], 5)
    assert [(word.start, word.end) for word in segment.words] == [(1.0, 1.0), (1.0, 2.0), (2.0, 2.0)]
    assert (segment.start, segment.end) == (0.5, 2.0)


def test_a_segment_grows_to_hold_its_words() -> None:
    (segment,) = ordered([Segment(2.0, 3.0, "", (Word(1.0, 1.5, "early"), Word(3.0, 4.0, "late")))], 10)
    assert (segment.start, segment.end, segment.text) == (1.0, 4.0, "early late")


def test_a_segment_ends_where_the_next_of_its_voice_begins_and_others_may_overlap() -> None:
    kept = ordered(
        [
            Segment(3.0, 6.0, "again", speaker="A"),
            Segment(0.0, 4.0, "first", (Word(0, 2, "fir"), Word(2.5, 4, "st", False)), speaker="A"),
            Segment(1.0, 5.0, "over it", speaker="B"),
        ],
        10,
    )
    assert [(segment.text, segment.start, segment.end) for segment in kept] == [
        ("first", 0.0, 3.0),
        ("over it", 1.0, 5.0),
        ("again", 3.0, 6.0),
    ]
    assert kept[0].words[-1].end == 3.0


@pytest.mark.parametrize("duration", [0.0, -1.0, math.nan])
def test_audio_of_no_length_keeps_the_text(duration: float) -> None:
    (segment,) = ordered([Segment(1.0, 2.0, "hello")], duration)
    assert (segment.start, segment.end) == (0.0, 0.0)


def test_no_break_spaces_stay_inside_words() -> None:
    (segment,) = ordered([Segment(0, 1, "", (Word(0, 1, "\u00a0Bonjour\u00a0! "),))], 1)
    assert segment.text == "Bonjour\u00a0!"
