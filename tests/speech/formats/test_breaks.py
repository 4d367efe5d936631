from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.formats.breaks import breakable, pieces, separable
from speech.formats.width import columns
from tests.speech.strategies import texts


@pytest.mark.parametrize(
    "pair", ["日本", "語a", "a語", "กข", "か、か"[1:], "。日", "ກຂ", "ကခ", "\u200ba", "\u0f0b\u0f40", "」「"]
)
def test_a_line_may_break_here(pair: str) -> None:
    assert breakable(pair[0], pair[1])


@pytest.mark.parametrize(
    "pair",
    [
        "ab",
        "a.",
        "語。",
        "語、",
        "「語",
        "語」",
        "ょっ",
        "キー",
        "か\u3099",
        "เก",
        "กา",
        "กิ",
        "한국",
        "日\u00a0",
        "\u00a0日",
        "日\u2060",
        "\u2060日",
        "👨\u200d",
        "👍🏽",
        "\u17d2ក",
        "\u0f40\u0f41",
        "日️",
    ],
)
def test_a_line_may_not_break_here(pair: str) -> None:
    assert not breakable(pair[0], pair[1])


@given(texts, st.sampled_from((8, 10, 42)))
def test_pieces_are_the_text(text: str, width: int) -> None:
    assert "".join(pieces(text, width)) == text


@given(st.text(alphabet="日本語、。「」ーょกิเา한a\u00a0e\u0301\u200d", min_size=1), st.sampled_from((8, 10, 42)))
def test_pieces_never_part_a_character_from_its_marks(text: str, width: int) -> None:
    cut = list(pieces(text, width))
    assert all(separable(left[-1], right[0]) for left, right in pairwise(cut))


def test_a_long_run_of_closing_marks_still_fits() -> None:
    assert [columns(piece) for piece in pieces("。" * 10, 8)] == [8, 8, 4]


def test_sentences_are_cut_before_no_closing_and_behind_no_opening_mark() -> None:
    assert list(pieces("今日、「雨」だ。", 42)) == ["今", "日、", "「雨」", "だ。"]


def test_a_latin_word_inside_is_not_cut() -> None:
    assert list(pieces("私はDonaudampfschifffahrtです", 8)) == ["私", "は", "Donaudampfschifffahrt", "で", "す"]
