"""How many words a recogniser gets wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

import jiwer

_NUMBERS = {"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven"}
_SPELLINGS = {"mr": "mister", "mrs": "missus", "dr": "doctor"}


def plain(text: str) -> str:
    """Words alone: lower case, without punctuation, abbreviations spelt out."""
    words = re.sub(r"[^\w\s']", " ", text.lower().replace("-", " ").replace("_", " ")).split()
    return " ".join(_SPELLINGS.get(word, _NUMBERS.get(word, word)) for word in words)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Share of words that are wrong, missing or too many, over all texts together."""
    return float(jiwer.wer([plain(text) for text in references], [plain(text) for text in hypotheses]))
