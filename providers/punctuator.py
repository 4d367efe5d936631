"""Who can write words as people do: with marks and capitals."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections.abc import Sequence

from providers.role import StepProvider, StepWatch
from speech.errors import ProviderProtocolError


class Punctuator(StepProvider):
    """Words in, the same words out, written otherwise: never more, fewer or others."""

    def punctuate(self, words: Sequence[str], language: str, watch: StepWatch | None = None) -> tuple[str, ...]:
        """Each word's new writing, in order.

        Args:
            words: as they are written now, without spaces; any number.
            language: ISO 639 code; one of ``abilities.languages``.
            watch: asked between calls of a model.

        Raises:
            ProviderError: translated from the library's own errors.
            JobCancelled: when ``watch.cancelled`` said so.

        """
        if not words:
            return ()
        written = self._punctuate(words, language, watch or StepWatch())
        if len(written) != len(words) or any(not same_word(*pair) for pair in zip(words, written, strict=True)):
            raise ProviderProtocolError(f"{self.name} changed words, not only their writing.", self.name)
        return written

    @abstractmethod
    def _punctuate(self, words: Sequence[str], language: str, watch: StepWatch) -> tuple[str, ...]: ...


def same_word(one: str, other: str) -> bool:
    """Whether two writings are of the same word: the same letters and digits, whatever their case, and the same
    marks inside (don't, 3.5); marks at the ends are writing."""
    return _bare(one) == _bare(other)


def _bare(word: str) -> str:
    folded = unicodedata.normalize("NFC", word).casefold()
    kept = [index for index, sign in enumerate(folded) if sign.isalnum() or unicodedata.category(sign)[0] == "M"]
    return folded[kept[0] : kept[-1] + 1] if kept else ""
