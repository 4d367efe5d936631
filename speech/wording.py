"""A text parted into words as they are written: at its spaces, and in scripts without spaces at its characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from speech.formats.breaks import pieces, unspaced
from speech.transcript import plain

# Every space but those that hold two words together.
_SPACE = re.compile(r"[^\S\u00a0\u2007\u202f]+")
_UNBOUNDED = 1_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """A word with the marks that belong to it, and whether a space parts it from the word before it."""

    text: str
    space_before: bool


def written_words(text: str) -> tuple[Written, ...]:
    """The words of one line of text, in order; none when it holds nothing that is seen.

    Text of scripts without spaces (Chinese, Japanese, Thai ...) is parted wherever a line of it may break, as
    subtitles are: mostly into characters, each with the marks behind it.
    """
    return tuple(_parted(text))


def _parted(text: str) -> Iterator[Written]:
    first = True
    for word in _SPACE.split(plain(text)):
        if not word:
            continue
        for number, piece in enumerate(pieces(word, _UNBOUNDED) if unspaced(word) else (word,)):
            yield Written(piece, space_before=number == 0 and not first)
        first = False
