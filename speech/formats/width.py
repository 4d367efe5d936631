"""How wide text is on a screen, in columns.

A wide character (East Asian Width W or F, UAX #11; most emoji are) takes two columns, one that joins or marks the
character before it none, every other one. The width of a text is the sum over its characters, so that widths of
parts add up; a sequence of joined emoji thereby counts more than a screen may give it, never less.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, east_asian_width

_EMOJI_PRESENTATION = "\N{VARIATION SELECTOR-16}"
_INVISIBLE = frozenset({"Cc", "Cf", "Mn", "Me", "Zl", "Zp"})


def columns(text: str) -> int:
    """Columns that the text takes on one line."""
    return len(text) if text.isascii() and text.isprintable() else sum(map(_column, text))


def visible(text: str) -> bool:
    """Whether anything of the text can be seen: more than spaces and format characters."""
    return any(category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp") for character in text)


@lru_cache(maxsize=8192)
def _column(character: str) -> int:
    if character == _EMOJI_PRESENTATION:
        return 1  # it widens the narrow symbol before it
    if category(character) in _INVISIBLE or _trailing_jamo(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _trailing_jamo(character: str) -> bool:
    """Vowels and final consonants that a Korean syllable's block takes in."""
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff"
