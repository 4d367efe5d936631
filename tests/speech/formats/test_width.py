from __future__ import annotations

import pytest
from hypothesis import given

from speech.formats.width import columns, visible
from tests.speech.strategies import texts


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("hello", 5),
        ("naïve", 5),
        ("e\u0301", 1),
        ("日本語", 6),
        ("ｱ", 1),
        ("Ａ", 2),
        ("한국어", 6),
        ("\u1112\u1161\u11ab", 2),
        ("สวัสดี", 4),
        ("مرحبا", 5),
        ("👍", 2),
        ("❤\ufe0f", 2),
        ("🇪🇺", 2),
        ("a\u200bb\u2060c\u200f", 3),
    ],
)
def test_columns(text: str, width: int) -> None:
    assert columns(text) == width


@given(texts, texts)
def test_widths_of_parts_add_up(left: str, right: str) -> None:
    assert columns(left + right) == columns(left) + columns(right)


@pytest.mark.parametrize("text", ["", " ", "\u00a0", "\u3000", "\u200b\u2060", "\ufeff", "\n", "\x00"])
def test_nothing_to_see(text: str) -> None:
    assert not visible(text)


@pytest.mark.parametrize("text", ["a", ".", "\u0301", "日", "👍", " x "])
def test_something_to_see(text: str) -> None:
    assert visible(text)
