from __future__ import annotations

from speech.formats.atoms import Atom, atoms
from speech.formats.layout import blocks, written
from speech.options import SubtitleOptions
from speech.transcript import Segment, Word
from tests.speech.build import spoken
from tests.speech.build import written as text_only


def _lines(segment: Segment, **options: float) -> list[list[str]]:
    chosen = SubtitleOptions.model_validate(options)
    return [[written(line) for line in block] for block in blocks(atoms(segment, chosen.max_line_width), chosen)]


def test_words_written_together_are_one_atom() -> None:
    words = (Word(0, 1, "twenty", False), Word(1, 2, "-one", False), Word(2, 3, "years"), Word(3, 3, ".", False))
    assert atoms(Segment(0, 3, "", words), 42) == [
        Atom("twenty-one", False, 0, 2000, 10),
        Atom("years.", True, 2000, 3000, 6),
    ]


def test_words_written_together_part_when_no_line_holds_them() -> None:
    words = (Word(0, 1, "abcdef", False), Word(1, 2, "ghijkl", False))
    assert [atom.text for atom in atoms(Segment(0, 2, "", words), 8)] == ["abcdef", "ghijkl"]


def test_unspaced_words_may_part_anywhere_between_them() -> None:
    words = (Word(0, 1, "今日", False), Word(1, 2, "は", False), Word(2, 3, "雨", False), Word(3, 4, "。", False))
    assert [atom.text for atom in atoms(Segment(0, 4, "", words), 42)] == ["今日", "は", "雨。"]


def test_an_unspaced_word_is_cut_only_where_no_line_holds_it() -> None:
    segment = Segment(0, 4, "", (Word(0, 4, "天気予報", False),))
    assert [atom.text for atom in atoms(segment, 8)] == ["天気予報"]
    longer = Segment(0, 5, "", (Word(0, 5, "天気予報です", False),))
    assert [(atom.text, atom.start_ms) for atom in atoms(longer, 8)][:2] == [("天", 0), ("気", 833)]


def test_a_word_with_a_space_inside_is_two_atoms_that_share_its_time() -> None:
    segment = Segment(0, 2, "", (Word(0, 1.1, "New York City"), Word(1.1, 2, "is")))
    assert atoms(segment, 42) == [
        Atom("New", True, 0, 300, 3),
        Atom("York", True, 300, 700, 4),
        Atom("City", True, 700, 1100, 4),
        Atom("is", True, 1100, 2000, 2),
    ]


def test_text_without_words_shares_its_time_by_characters() -> None:
    assert atoms(text_only("ab cdef gh", 1.0, 2.6), 42) == [
        Atom("ab", False, 1000, 1400, 2),
        Atom("cdef", True, 1400, 2200, 4),
        Atom("gh", True, 2200, 2600, 2),
    ]


def test_no_break_spaces_hold_together() -> None:
    assert [atom.text for atom in atoms(text_only("«\u00a0Bonjour\u00a0» dit-il"), 42)] == [
        "«\u00a0Bonjour\u00a0»",
        "dit-il",
    ]


def test_what_cannot_be_seen_is_no_atom() -> None:
    assert atoms(Segment(0, 1, "\u200b", (Word(0, 1, "\u200b"),)), 42) == []
    assert [atom.text for atom in atoms(Segment(0, 1, "", (Word(0, 1, "a"), Word(1, 1, "\u200b"))), 42)] == ["a"]


def test_lines_are_of_like_length() -> None:
    said = "And so my fellow Americans, ask not what your country can do for you"
    assert _lines(spoken(said)) == [["And so my fellow Americans, ask not", "what your country can do for you"]]


def test_a_line_that_fits_is_one_line() -> None:
    assert _lines(spoken("ask not what your country can do for you")) == [["ask not what your country can do for you"]]


def test_a_word_wider_than_a_line_stands_alone() -> None:
    assert _lines(spoken("an Aufmerksamkeitsspanne is"), max_line_width=8) == [["an", "Aufmerksamkeitsspanne"], ["is"]]


def test_cues_rather_end_where_a_sentence_does() -> None:
    said = "We choose to go to the Moon in this decade. Not because it is easy, but because it is hard and we can."
    first, second = _lines(spoken(said, pace=0.1))
    assert first[-1].endswith("decade.")
    assert second[0].startswith("Not")


def test_little_that_is_left_is_shared_rather_than_orphaned() -> None:
    said = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    _, second = _lines(spoken(said, pace=0.1))
    assert len(" ".join(second)) > 30


def test_no_cue_lasts_longer_than_asked() -> None:
    segment = spoken("a b c d e f g h i j", pace=0.5)
    cut = list(blocks(atoms(segment, 42), SubtitleOptions(max_duration=2)))
    assert [written(line) for block in cut for line in block] == ["a b c d", "e f g", "h i j"]


def test_a_long_pause_ends_a_cue() -> None:
    words = (Word(0, 1, "well", False), Word(4, 5, "yes"))
    assert _lines(Segment(0, 5, "", words)) == [["well"], ["yes"]]


def test_a_number_is_not_left_alone_on_the_last_line() -> None:
    assert _lines(spoken("the year was nineteen 1984"), max_line_width=21) == [["the year was", "nineteen 1984"]]
    assert _lines(spoken("nineteen 1984"), max_line_width=8) == [["nineteen"], ["1984"]]
    assert _lines(spoken("nineteen 1984 5678"), max_line_width=8, max_lines=3) == [["nineteen"], ["1984"], ["5678"]]


def test_japanese_fills_lines_by_columns() -> None:
    (block,) = _lines(text_only("今日はとても良い天気なので、散歩に行きました。"), max_line_width=26)
    assert block == ["今日はとても良い天気なの", "で、散歩に行きました。"]


def test_marks_that_take_no_columns_are_cut_like_words() -> None:
    words = tuple(Word(number, number + 1, "\u0301") for number in range(12))
    assert len(_lines(Segment(0, 12, "", words))) > 1


def test_a_very_long_text_is_cut_in_one_go() -> None:
    segment = text_only("word " * 20_000, 0, 36_000)
    assert sum(len(lines) for lines in _lines(segment)) > 5000
