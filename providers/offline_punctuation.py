"""Marks and capitals without any model hub: English by the counts that come with truecase, others by pauses.

English gets capitals from what stood beside what in four million words, and full stops, question marks and commas
from that and from the pauses between the words. Other languages get full stops at long pauses and a capital after
each. Where pauses are not known, only the end of the text gets a mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version as version_of
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Protocol

from providers.context import ProviderContext
from providers.punctuator import Gaps, Punctuator, bare
from providers.role import Availability, StepCapabilities, StepWatch
from providers.sentence_marks import SentenceMarks
from providers.true_case import MEMORY_BYTES, SHA256, load_true_caser, statistics_file
from providers.writing import Writing, filled
from speech.errors import JobCancelled

if TYPE_CHECKING:
    from truecase.TrueCaser import TrueCaser

PAUSED = tuple("bg ca cs da es fi fr hr hu id it nl no pl pt ro ru sk sl sr sv tr uk vi".split())  # noqa: SIM905
"""Languages that begin sentences with a capital and end them with a full stop, and write common nouns small."""
PAUSE = 0.7
"""Seconds of silence that end a sentence where pauses are all that is known."""
LONGEST = 60
"""So many words without the end of a sentence: whoever wrote them wrote no marks."""
_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "inc", "ltd", "sra", "dott", "mme"}
)


class Offline(Punctuator):
    """What can be done on any machine: the statistics of a wheel, and pauses."""

    name: ClassVar[str] = "offline"
    title: ClassVar[str] = "Truecasing, word statistics and pauses"
    version: ClassVar[str] = "1"

    def __init__(self, context: ProviderContext) -> None:
        self._pool = context.engine.pool

    @property
    def abilities(self) -> StepCapabilities:
        """English, and the languages in which a pause can end a sentence."""
        return StepCapabilities(local=True, languages=("en", *PAUSED))

    def availability(self) -> Availability:
        """Whether truecase is installed, with its statistics."""
        if statistics_file() is None:
            return Availability(False, "truecase cannot be imported.", "pip install 'world-of-asr[punctuation]'")
        return Availability(True)

    def digest(self) -> str:
        """Of the statistics: no others are read."""
        return f"sha256:{SHA256}"

    def engine_version(self) -> str:
        """The library."""
        return f"truecase {version_of('truecase')}"

    def _punctuate(self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None) -> tuple[str, ...]:
        if language.split("-")[0] != "en":
            return tuple(_restored(words, gaps, watch, _Pauses()))
        with self._borrowed(watch) as caser:
            return tuple(_restored(words, gaps, watch, SentenceMarks(caser)))

    def _borrowed(self, watch: StepWatch) -> AbstractContextManager[TrueCaser]:
        return self._pool.borrow((self.name, SHA256), load_true_caser, MEMORY_BYTES, cancelled=watch.cancelled)


class Rules(Protocol):
    """How sentences are found and written; words are bare: in small letters, without marks."""

    def between(self, one: str, other: str, gap: float | None) -> str:
        """The mark between two words that pause so many seconds (None: nobody knows): a full stop, a comma, none."""

    def cased(self, sentence: Sequence[str]) -> Sequence[str]:
        """The words of a sentence with their capitals."""

    def end(self, sentence: Sequence[str]) -> str:
        """The mark that ends a sentence."""


class _Pauses:
    """All that is known is how long the voice paused."""

    def between(self, one: str, other: str, gap: float | None) -> str:
        return "." if gap is not None and gap >= PAUSE else ""

    def cased(self, sentence: Sequence[str]) -> Sequence[str]:
        return [sentence[0][:1].upper() + sentence[0][1:], *sentence[1:]]

    def end(self, sentence: Sequence[str]) -> str:
        return "."


def _restored(words: Sequence[str], gaps: Gaps | None, watch: StepWatch, rules: Rules) -> Iterator[str]:
    """The words with marks where there were none, and capitals, sentence by sentence."""
    marks = _marks(words, gaps, rules)
    start = 0
    for stop in _ends(words, marks):
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while its text was punctuated.")
        yield from _written(words[start:stop], marks[start:stop], rules)
        start = stop
        watch.advanced(stop / len(words))


def _written(sentence: Sequence[str], marks: Sequence[str], rules: Rules) -> Iterator[str]:
    ones = [bare(word) for word in sentence]
    end = rules.end(ones)
    for word, case, mark in zip(sentence, rules.cased(ones), marks, strict=True):
        yield filled(word, case + (end if mark == "." else mark))


def _marks(words: Sequence[str], gaps: Gaps | None, rules: Rules) -> list[str]:
    """The mark that each word lacks, or none; stretches that somebody has marked already lack none."""
    known = any(_ends_sentence(word) for word in words)
    stops = list(_ends(words, [""] * (len(words) - 1) + ["."]))
    marks = [""] * len(words)
    ones = [bare(word) for word in words]
    for start, stop in pairwise((0, *stops)):
        if not known or stop - start > LONGEST:
            for index in range(start, stop - 1):
                gap = gaps[index] if gaps is not None else None
                marks[index] = rules.between(ones[index], ones[index + 1], gap)
    marks[-1] = "."
    return marks


def _ends(words: Sequence[str], marks: Sequence[str]) -> Iterator[int]:
    """Where sentences end: the index after each last word."""
    for index, (word, mark) in enumerate(zip(words, marks, strict=True), 1):
        if mark == "." or _ends_sentence(word):
            yield index


def _ends_sentence(word: str) -> bool:
    """Whether a sentence ends here: not with an abbreviation's point."""
    written = Writing.of(word)
    short = len(written.core) == 1 and written.core.isalpha()
    return written.ends and not (written.after == "." and (short or written.core.lower() in _ABBREVIATIONS))
