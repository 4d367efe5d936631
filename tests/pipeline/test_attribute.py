"""Words and who said them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.attribute import ALONE, attribute, speakers_of
from speech.diarization import Diarization, Turn, labelled
from speech.transcript import Segment, Speaker, Word, joined


def said(*words: tuple[float, float, str], start: float | None = None, end: float | None = None) -> Segment:
    made = tuple(Word(first, last, text, number > 0, 0.9) for number, (first, last, text) in enumerate(words))
    return Segment(
        words[0][0] if start is None else start, words[-1][1] if end is None else end, joined(made), made, "en"
    )


def told(*turns: tuple[float, float, str]) -> Diarization:
    return Diarization(tuple(Turn(*turn) for turn in turns))


def who(segments: tuple[Segment, ...]) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in segments]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    segment = said((0.0, 0.4, "Ready?"), (0.5, 0.8, "Yes,"), (0.9, 1.2, "go."))
    parts = attribute([segment], told((0.0, 0.45, "A"), (0.45, 1.5, "B")))
    assert who(parts) == [("A", "Ready?"), ("B", "Yes, go.")]
    assert [(part.start, part.end) for part in parts] == [(0.0, 0.4), (0.5, 1.2)]
    assert [word.space_before for word in parts[1].words] == [False, True]
    assert {word.speaker for word in parts[1].words} == {"B"}
    assert [part.language for part in parts] == ["en", "en"]


def test_a_segment_of_one_speaker_stays_whole() -> None:
    segment = said((0.2, 0.4, "All"), (0.5, 0.8, "mine."), start=0.0, end=1.0)
    (part,) = attribute([segment], told((0.0, 1.0, "A")))
    assert (part.start, part.end, part.text, part.speaker) == (0.0, 1.0, "All mine.", "A")


def test_most_of_the_word_decides_and_a_sentence_is_not_parted_by_who_speaks_at_once() -> None:
    segment = said((0.0, 1.0, "one"), (1.0, 2.0, "two"), (2.0, 3.0, "three"))
    turns = told((0.0, 2.0, "A"), (0.9, 2.9, "B"))
    assert who(attribute([segment], turns)) == [("A", "one two"), ("B", "three")]


def test_words_outside_of_all_turns_go_to_the_nearest() -> None:
    segments = [said((5.0, 5.2, "near")), said((9.0, 9.2, "far"))]
    turns = told((0.0, 4.9, "A"), (1.0, 1.1, "B"), (9.5, 9.6, "C"))
    assert who(attribute(segments, turns)) == [("A", "near"), ("C", "far")]


def test_a_word_without_length_in_two_turns_parts_no_sentence() -> None:
    segment = said((0.0, 0.5, "one"), (1.5, 1.5, "two"), (1.6, 1.9, "three"))
    for turns in (told((0.0, 2.0, "A"), (1.0, 1.7, "B")), told((0.0, 1.9, "A"), (1.5, 1.7, "B"), (1.5, 1.6, "C"))):
        assert who(attribute([segment], turns)) == [("A", "one two three")]
    follows = told((0.0, 0.5, "B"), (1.5, 1.6, "A"), (1.5, 3.0, "B"))
    assert who(attribute([segment], follows)) == [("B", "one two three")]


def test_a_long_turn_that_began_long_ago_is_the_nearest() -> None:
    turns = told((0.0, 98.0, "A"), *((float(at), at + 0.5, "B") for at in range(1, 80)))
    assert attribute([said((99.0, 99.5, "late"))], turns)[0].speaker == "A"


def test_where_no_turn_was_found_the_words_say_that_somebody_speaks() -> None:
    segments = attribute([said((0.0, 1.0, "hello"))], told())
    assert (segments[0].speaker, segments[0].words[0].speaker) == (ALONE, ALONE)
    assert speakers_of(told(), segments) == (Speaker(ALONE, None, 1.0),)


def test_a_segment_without_words_has_the_speaker_of_most_of_its_time() -> None:
    segment = Segment(0.0, 4.0, "no words here")
    assert attribute([segment], told((0.0, 1.0, "A"), (1.0, 4.0, "B")))[0].speaker == "B"


def test_speakers_have_their_talk_time_overlaps_counted_for_everybody() -> None:
    found = speakers_of(told((0.0, 2.0, "B"), (1.0, 3.0, "A"), (4.0, 5.0, "A")), [])
    assert found == (Speaker("A", None, 3.0), Speaker("B", None, 2.0))


def test_labels_follow_who_speaks_first_and_empty_turns_go() -> None:
    found = labelled([Turn(3.0, 4.0, "x"), Turn(1.00004, 2.0, "y"), Turn(0.5, 0.5001, "z")])
    assert found.turns == (Turn(1.0, 2.0, "SPEAKER_00"), Turn(3.0, 4.0, "SPEAKER_01"))
    assert found.speakers == ("SPEAKER_00", "SPEAKER_01")


_moments = st.floats(0, 50).map(lambda value: round(value, 2))
_turns = st.lists(st.tuples(_moments, st.floats(0.01, 9), st.sampled_from("ABC")), max_size=12)
_words = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.8)), min_size=1, max_size=20)


@given(_turns, _words, _moments)
def test_no_word_is_lost_changed_or_left_without_a_speaker(
    turns: list[tuple[float, float, str]], words: list[tuple[float, float]], begin: float
) -> None:
    made, at = [], begin
    for gap, length in words:
        made.append(Word(at + gap, at + gap + length, "w", bool(made)))
        at += gap + length
    diarization = told(*((start, start + length, name) for start, length, name in turns))
    parts = attribute([Segment(begin, at, joined(made), tuple(made))], diarization)
    found = [word for part in parts for word in part.words]
    assert [(word.start, word.end, word.text) for word in found] == [(word.start, word.end, word.text) for word in made]
    assert all(word.speaker for word in found)
    assert {word.speaker for word in found} <= ({name for _, _, name in turns} or {ALONE})
    for word in found:
        overlaps = {
            name: sum(
                max(0.0, min(word.end, start + length) - max(word.start, start))
                for start, length, other in turns
                if other == name
            )
            for _, _, name in turns
        }
        assert overlaps.get(word.speaker or "", 0.0) >= 0.8 * max(overlaps.values(), default=0.0) - 1e-9
