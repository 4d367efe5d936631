"""What is written with digits and signs, in words, as people may read it aloud (by the library num2words)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ENGLISH_SIGNS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "#": "number", "°": "degrees"}
_ENGLISH_MONEY = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen"}
_PARTS = re.compile(r"\d+(?:st|nd|rd|th)\b|\d+|[^\W\d_]+(?:'[^\W\d_]+)*|[%&+=@#°]", re.IGNORECASE)
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL = re.compile(r"\d+[.,]\d+")
_LONGEST = 15
"""Digits of a number; longer ones are read one by one."""
_LONGEST_IN = {"am": 4}
"""The same for languages of which num2words knows less: in Amharic it never comes to the end of a million."""
_LACKING = (NotImplementedError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What num2words raises where it has no way to say a number so: it has no years in Vietnamese, say."""


def has_digits(word: str) -> bool:
    """Whether the word is written with digits."""
    return any(sign.isdigit() for sign in word)


def readings(word: str, language: str) -> tuple[str, ...]:
    """The ways to read a word with digits or signs, the likeliest first; none when nobody knows its language.

    Args:
        word: as written, such as "$5", "1984," or "3rd".
        language: ISO 639.

    """
    ways: list[str] = []
    for form in ("year", "cardinal", "hundreds"):
        try:
            text = " ".join(_read(word, language.split("-")[0], form))
        except _LACKING:
            continue
        if text and text not in ways:
            ways.append(text)
    return tuple(ways)


def _read(word: str, language: str, form: str) -> Iterator[str]:
    whole = _GROUPED.sub("", word)
    money = next((sign for sign in whole if sign in _ENGLISH_MONEY), None) if language == "en" else None
    decimal = _DECIMAL.search(whole)
    if decimal:
        yield _number(float(decimal.group().replace(",", ".")), language)
        whole = whole[: decimal.start()] + " " + whole[decimal.end() :]
    for part in _PARTS.findall(whole):
        yield from _part(part, language, "cardinal" if money else form)
    if money:
        yield _ENGLISH_MONEY[money]


def _part(part: str, language: str, form: str) -> Iterator[str]:
    if not part[0].isdigit():
        if part in _ENGLISH_SIGNS and language == "en":
            yield _ENGLISH_SIGNS[part]
        elif part[0].isalpha():
            yield part
        return
    digits = part.rstrip("stndrhSTNDRH")
    if len(digits) > _longest(language) or (digits[0] == "0" and len(digits) > 1):
        yield from (_number(int(digit), language) for digit in digits)
    elif len(digits) < len(part):
        yield _number(int(digits), language, to="ordinal")
    elif form == "hundreds" and language == "en" and len(digits) == 4 and digits[1] != "0" and digits[2:] != "00":
        yield f"{_number(int(digits[:2]), language)} hundred {_number(int(digits[2:]), language)}"
    else:
        yield _number(int(digits), language, to="year" if form == "year" and len(digits) == 4 else "cardinal")


def _number(value: float, language: str, to: str = "cardinal") -> str:
    from num2words import num2words

    if value >= 10 ** _longest(language):
        raise OverflowError("The number is too long to be read as one.")
    return str(num2words(value, lang=language, to=to)).replace("-", " ").replace(",", "")


def _longest(language: str) -> int:
    return _LONGEST_IN.get(language[:2], _LONGEST)
