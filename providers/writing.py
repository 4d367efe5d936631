"""How words are written: what stands before and after their letters, and which letters are capitals.

New writing fills in what is missing and takes nothing away, whoever proposes it: a rule, a model, or a machine that
talks. Only marks that part what is said are taken over, and only a few of them; quotes and brackets come in pairs that
no single word can keep whole, so nobody's are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from providers.punctuator import bare, spoken

ENDING = frozenset(".?!…。？！؟।॥։።။។")
"""Marks that end a sentence."""
PAUSING = ENDING | frozenset(",;:，、；：،؛፣၊·")
"""Marks that part what is said."""
_OPENING = frozenset("¿¡")
_MOST_BEFORE, _MOST_AFTER = 2, 3

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo"})
"""Languages that are written without spaces between words."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A word in three: the marks before its letters, the letters with the marks between them, the marks after."""

    before: str
    core: str
    after: str

    @classmethod
    def of(cls, word: str) -> Writing:
        """Taken apart; a word of marks alone is all ``after``."""
        kept = [index for index, sign in enumerate(word) if spoken(sign)]
        if not kept:
            return cls("", "", word)
        first, last = kept[0], kept[-1] + 1
        return cls(word[:first], word[first:last], word[last:])

    @property
    def ends(self) -> bool:
        """Whether a sentence ends with this word."""
        return any(mark in ENDING for mark in self.after)

    @property
    def parted(self) -> bool:
        """Whether some mark parts this word from the next."""
        return any(mark in PAUSING for mark in self.after)

    def __str__(self) -> str:
        return self.before + self.core + self.after


def filled(word: str, proposed: str) -> str:
    """The word with what the proposed writing of the same word adds: marks where it has none, capitals where it has
    none. Whatever ``proposed`` holds, the result is the same word."""
    old, new = Writing.of(word), Writing.of(unicodedata.normalize("NFC", proposed))
    if not old.core:
        return word
    before = old.before or "".join(mark for mark in new.before if mark in _OPENING)[-_MOST_BEFORE:]
    after = old.after
    if not old.parted:
        added = new.after.removeprefix(old.after)
        after += "".join(mark for mark in added if mark in PAUSING)[:_MOST_AFTER]
    return before + _cased(old.core, new.core) + after


def written_by(words: Sequence[str], text: str, spaced: bool = True) -> tuple[tuple[str, ...], float]:
    """The words as a text writes them, and the share of the words that the text has, in [0, 1].

    Text and words are aligned as sequences. Words that the text changes or leaves out stay as they are; what it has
    beside them is left out. ``spaced``: words are parted by spaces; else each character is met by itself.
    """
    units = list(words) if spaced else [sign for word in words for sign in signs(word)]
    proposed = _tokens(text if spaced else " ".join(signs(text)))
    new, found = list(units), 0
    theirs = [bare(token) for token in proposed]
    for block in SequenceMatcher(None, [bare(unit) for unit in units], theirs, autojunk=False).get_matching_blocks():
        for index in range(block.size):
            new[block.a + index] = filled(units[block.a + index], proposed[block.b + index])
        found += block.size
    share = found / len(units) if units else 1.0
    return (tuple(new) if spaced else _together(words, new)), share


def _cased(core: str, proposed: str) -> str:
    if core != core.lower() or len(core) != len(proposed):
        return core
    return "".join(
        new if new != old and new in (old.upper(), old.title()) else old
        for old, new in zip(core, proposed, strict=True)
    )


def _tokens(text: str) -> list[str]:
    """The text at its spaces; marks that stand alone (bonjour !) belong to the word before, or after, them."""
    tokens: list[str] = []
    opening = ""
    for token in text.split():
        if bare(token):
            tokens.append(opening + token)
            opening = ""
        elif all(mark in _OPENING for mark in token):
            opening = token
        elif tokens:
            tokens[-1] += token
    return tokens


def signs(word: str) -> list[str]:
    """The characters of a word, each with the marks that follow it; marks before the first are with the first."""
    parts: list[str] = []
    for sign in "".join(word.split()):
        if parts and (not spoken(sign) or unicodedata.category(sign)[0] == "M" or not bare(parts[-1])):
            parts[-1] += sign
        else:
            parts.append(sign)
    return parts


def _together(words: Sequence[str], written: Sequence[str]) -> tuple[str, ...]:
    """Words again, from the characters that they were taken apart into: marks inside of one are left out."""
    whole, taken = [], 0
    for word in words:
        count = len(signs(word))
        whole.append(filled(word, _without_inner_marks(written[taken : taken + count])))
        taken += count
    return tuple(whole)


def _without_inner_marks(written: Sequence[str]) -> str:
    parts = [Writing.of(sign) for sign in written]
    before, after = parts[0].before if parts else "", parts[-1].after if parts else ""
    return before + "".join(part.core for part in parts) + after
