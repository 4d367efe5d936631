"""A text parted into words as they are written."""

from __future__ import annotations

import pytest

from speech.transcript import Word, joined
from speech.wording import written_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Well - it costs $5, in 1984... ", ["Well", "-", "it", "costs", "$5,", "in", "1984..."]),
        ("10\u00a0000 francs", ["10\u00a0000", "francs"]),
        ("今日は、世界。", ["今", "日", "は、", "世", "界。"]),
        ("我用 Whisper 听写", ["我", "用", "Whisper", "听", "写"]),
        ("ยินดี", ["ยิ", "น", "ดี"]),
        ("so \N{GRINNING FACE}", ["so", "\N{GRINNING FACE}"]),
        (" \u2028 ", []),
    ],
)
def test_words_keep_their_marks_and_join_to_the_text_again(text: str, words: list[str]) -> None:
    found = written_words(text)
    assert [word.text for word in found] == words
    whole = joined(Word(0.0, 0.0, word.text, word.space_before) for word in found)
    assert whole == " ".join(text.replace("\u2028", " ").split(" ")).strip()
