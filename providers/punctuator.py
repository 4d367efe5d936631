"""Who can write words as people do: with marks and capitals."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections.abc import Sequence

from providers.role import StepProvider, StepWatch
from speech.errors import ProviderProtocolError

Gaps = Sequence[float | None]
"""Seconds of silence after each word, at least 0; None where nobody knows."""
_SHOUTED = 4
"""So many words, all in capitals, say nothing about capitals; fewer may be an abbreviation."""


class Punctuator(StepProvider):
    """Words in, the same words out, written otherwise: never more, fewer or others.

    What is written already stays: marks at the ends of words, and words that have a capital. Text that is all in
    capitals has none to keep: it comes to the provider in small letters.
    """

    def punctuate(
        self,
        words: Sequence[str],
        language: str,
        watch: StepWatch | None = None,
        gaps: Gaps | None = None,
    ) -> tuple[str, ...]:
        """Each word's new writing, in order.

        Args:
            words: as they are written now, without spaces; any number.
            language: ISO 639 code; one of ``abilities.languages``.
            watch: asked between calls of a model.
            gaps: how long the voice paused after each word: as many as words.

        Raises:
            ProviderError: translated from the library's own errors.
            JobCancelled: when ``watch.cancelled`` said so.

        """
        if gaps is not None and len(gaps) != len(words):
            raise ValueError(f"There are {len(gaps)} gaps for {len(words)} words.")
        if not words:
            return ()
        given = [word.lower() for word in words] if _shouted(words) else words
        written = self._punctuate(given, language, watch or StepWatch(), gaps)
        if len(written) != len(words) or any(not same_word(*pair) for pair in zip(words, written, strict=True)):
            raise ProviderProtocolError(f"{self.name} changed words, not only their writing.", self.name)
        return written

    @abstractmethod
    def _punctuate(
        self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None
    ) -> tuple[str, ...]: ...


def same_word(one: str, other: str) -> bool:
    """Whether two writings are of the same word: the same letters and digits, whatever their case, and the same
    marks inside (don't, 3.5); marks at the ends are writing."""
    return bare(one) == bare(other)


def bare(word: str) -> str:
    """The word without its writing: casefolded, without the marks at its ends; empty when it is marks alone."""
    folded = unicodedata.normalize("NFC", word).casefold()
    kept = [index for index, sign in enumerate(folded) if spoken(sign)]
    return folded[kept[0] : kept[-1] + 1] if kept else ""


def spoken(sign: str) -> bool:
    """Whether a character is part of a word rather than a mark: a letter, a digit, or what combines with one."""
    return sign.isalnum() or unicodedata.category(sign)[0] == "M"


def _shouted(words: Sequence[str]) -> bool:
    capitals = sum(word.upper() != word.lower() for word in words)
    return capitals >= _SHOUTED and all(word == word.upper() for word in words)
