"""How words are written: what a proposal may change, and what it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.punctuator import same_word
from providers.writing import filled, written_by


@pytest.mark.parametrize(
    ("word", "proposed", "expected"),
    [
        ("hello", "Hello,", "Hello,"),
        ("hello", "goodbye.", "hello."),  # another word: its marks may come, its letters not
        ("Hello", "hello", "Hello"),  # what is written stays
        ("world.", "world,", "world."),
        ("dogs'", "Dogs'.", "Dogs'."),
        ("50%", "50%.", "50%."),
        ("don't", "Don't", "Don't"),
        ("que", "¿qué", "¿que"),
        ("mot", "«mot,»", "mot,"),
        ("nasa", "NASA!!!!!!!!!", "NASA!!!"),
        ("one", "<b>one</b>", "one"),
        ("one", "one\u202e\x00😀.", "one."),
        ("straße", "STRASSE", "straße"),
        ("кот", "Кот,", "Кот,"),
        ("—", "x", "—"),
    ],
)
def test_what_is_missing_is_filled_in_and_nothing_else(word: str, proposed: str, expected: str) -> None:
    assert filled(word, proposed) == expected


@given(st.text(max_size=12), st.text(max_size=24))
def test_whatever_is_proposed_the_word_stays_the_same(word: str, proposed: str) -> None:
    written = filled(word, proposed)
    assert same_word(word, written)
    assert len(written) <= len(word) + 5


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), max_size=8), st.text(max_size=60))
def test_whatever_a_text_says_the_words_stay_the_same(words: list[str], text: str) -> None:
    for spaced in (True, False):
        written, share = written_by(words, text, spaced)
        assert len(written) == len(words)
        assert all(same_word(*pair) for pair in zip(words, written, strict=True))
        assert 0.0 <= share <= 1.0


def test_a_text_is_laid_over_the_words() -> None:
    words = ["well", "he", "said", "to", "me", "where", "is", "it"]
    written, share = written_by(words, "Well, he said: «to my friend» — where was it ?")
    assert written == ("Well,", "he", "said:", "to", "me", "where", "is", "it?")
    assert share == 6 / 8


def test_scripts_without_spaces_are_met_character_by_character() -> None:
    written, share = written_by(["今天", "天气", "好", "吗"], "今,天天气好吗？", spaced=False)
    assert written == ("今天", "天气", "好", "吗？")
    assert share == 1.0
