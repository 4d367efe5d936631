"""What cues are made of: stretches of text that no line break parts, each with its time.

An atom is a word; or several that are written together without a space, as long as a line holds them
("twenty" + "-one"); or, in scripts that are written without spaces, what stands between two possible breaks.
Times are whole milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from speech.formats.breaks import breakable, pieces, unspaced
from speech.formats.width import columns, visible
from speech.transcript import Segment, Word, plain

# Every space but those that hold two words together.
_SPACE = re.compile(r"[^\S\u00a0\u2007\u202f]+")


@dataclass(frozen=True, slots=True)
class Atom:
    """Text that stays on one line; ``columns`` wide, ``start_ms`` <= ``end_ms``."""

    text: str
    space_before: bool
    start_ms: int
    end_ms: int
    columns: int


def atoms(segment: Segment, width: int) -> list[Atom]:
    """The segment's atoms in order, none wider than ``width`` columns but a word that cannot be cut.

    A segment without words is taken as text alone, its time shared out among the characters.
    """
    words = [word for word in segment.words if visible(word.text)]
    if words:
        return list(_glued(_parts(words, width), width))
    if not visible(segment.text):
        return []
    whole = Word(segment.start, segment.end, segment.text, space_before=False)
    return list(_glued(_parts([whole], width, cut_from=1), width))


def _parts(words: Iterable[Word], width: int, cut_from: int = 0) -> Iterator[Atom]:
    """Words cut at the spaces inside them; unspaced text of ``cut_from`` columns (more than a line) at its breaks."""
    least = cut_from or width + 1
    for word in words:
        texts: list[tuple[str, bool]] = []
        for position, text in enumerate(_spoken(word.text)):
            cut = pieces(text, width) if unspaced(text) and columns(text) >= least else (text,)
            spaced = position > 0 or word.space_before
            texts += [(piece, spaced and number == 0) for number, piece in enumerate(cut)]
        yield from _timed(word, texts)


def _spoken(text: str) -> list[str]:
    return [part.strip() for part in _SPACE.split(plain(text)) if visible(part)]


def _timed(word: Word, texts: list[tuple[str, bool]]) -> Iterator[Atom]:
    start = round(word.start * 1000)
    length = max(0, round(word.end * 1000) - start)
    whole = sum(len(text) for text, _ in texts)
    done = 0
    for text, spaced in texts:
        begin, done = done, done + len(text)
        yield Atom(text, spaced, start + length * begin // whole, start + length * done // whole, columns(text))


def _glued(parts: Iterable[Atom], width: int) -> Iterator[Atom]:
    held: Atom | None = None
    for part in parts:
        if held is not None and _belongs(held, part, width):
            end = max(held.end_ms, part.end_ms)
            held = Atom(held.text + part.text, held.space_before, held.start_ms, end, held.columns + part.columns)
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def _belongs(left: Atom, right: Atom, width: int) -> bool:
    if right.space_before or left.columns + right.columns > width:
        return False
    return not breakable(left.text[-1], right.text[0])
