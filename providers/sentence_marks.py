"""Where sentences end in words that came without marks, by what stood beside what, and by pauses.

Between two words stands a full stop, a comma or nothing, whichever is likeliest: how often the first word ended a
sentence, how often the second began one, against how often the one followed the other, in the corpora that truecase
counted (Brown, Reuters, SemCor, CoNLL-2000, State of the Union: four million words); and how long the voice paused.
Where nobody knows how long, no mark is guessed: without pauses the counts are wrong more often than right.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import TYPE_CHECKING

from providers.true_case import true_cased

if TYPE_CHECKING:
    from truecase.TrueCaser import TrueCaser

_ENDS = (".", "?", "!")
_DOUBT = 20.0
"""How many counts the counts of single words weigh against those of pairs."""
_UNKNOWN = 0.5
"""Counts that a word has which was never met."""
_PAUSES = (0.12, 0.3, 0.6, 1.0)
"""Seconds from which on a pause says more."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What decides for a mark beside the counts: odds (natural logarithms), by how long the pause is.

    Chosen on every other one of 82 real English prompts with the word times of Whisper; for the longest pauses, which
    prompts do not have, by hand.
    """

    stop: tuple[float, ...] = (-2.8, 2.0, 3.1, 5.0, 6.5)
    comma: tuple[float, ...] = (-3.0, 1.5, 2.6, 4.0, 5.0)


class SentenceMarks:
    """The counts of one language, asked about words in small letters and without marks."""

    def __init__(self, caser: TrueCaser, weights: Weights | None = None) -> None:
        self._caser = caser
        self._words = caser.uni_dist
        self._before = caser.backward_bi_dist
        self._after = caser.forward_bi_dist
        self._cases = caser.word_casing_lookup
        self._weights = weights or Weights()

    def between(self, one: str, other: str, gap: float | None) -> str:
        """The mark after ``one`` and before ``other``: ``"."``, ``","`` or none; ``gap`` in seconds, None: unknown."""
        if gap is None:
            return ""
        pause = bisect_right(_PAUSES, gap)
        inner = log(self._follows(one, other))
        stop = self._weights.stop[pause] + self._mark(one, other, _ENDS) - inner
        comma = self._weights.comma[pause] + self._mark(one, other, (",",)) - inner
        if max(stop, comma) <= 0.0:
            return ""
        return "." if stop >= comma else ","

    def cased(self, sentence: Sequence[str]) -> Sequence[str]:
        """The words of a sentence in their true case; unknown ones stay."""
        return true_cased(self._caser, sentence)

    def end(self, sentence: Sequence[str]) -> str:
        """The mark that ends a sentence of at least one word: a question mark where most that began so had one."""
        asked = self._began(sentence[0], ("?",))
        return "?" if asked > self._began(sentence[0], (".", "!")) and len(sentence) > 1 else "."

    def _mark(self, one: str, other: str, marks: tuple[str, ...]) -> float:
        """Logarithm of how likely a mark of these stands after the one word and before the other."""
        share = sum(self._words[mark] for mark in marks) / self._total
        met = self._count(one) if len(self._writings(one)) > 1 else 0.0
        after = sum(self._after[f"{case}_{mark}"] for case in self._writings(one) for mark in marks)
        ends = (after + _DOUBT * share) / (met + _DOUBT)
        of_all = sum(self._words[mark] for mark in marks)
        begins = (self._began(other, marks) + _DOUBT * self._share(other)) / (of_all + _DOUBT)
        return log(ends) + log(begins)

    def _follows(self, one: str, other: str) -> float:
        """How likely the other word follows the one, in (0, 1)."""
        ones, others = self._writings(one), self._writings(other)
        if len(ones) > 1:
            pairs = sum(self._after[f"{case}_{other}"] for case in ones)
        else:
            pairs = sum(self._before[f"{case}_{next_case}"] for case in ones for next_case in others)
        return (float(pairs) + _DOUBT * self._share(other)) / (self._count(one) + _DOUBT)

    def _began(self, word: str, marks: tuple[str, ...]) -> float:
        """How often the word stood after one of these marks; the first of a sentence stands after its own last."""
        return float(sum(self._before[f"{mark}_{case}"] for case in self._writings(word) for mark in marks))

    def _writings(self, word: str) -> Sequence[str]:
        return self._cases.get(word) or (word,)

    def _count(self, word: str) -> float:
        return float(sum(self._words[case] for case in self._writings(word)))

    def _share(self, word: str) -> float:
        return max(self._count(word), _UNKNOWN) / self._total

    @cached_property
    def _total(self) -> float:
        return float(sum(self._words.values()))
