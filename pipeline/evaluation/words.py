"""Word and character error rates on normalised text.

English is written as Whisper's English normaliser writes it (Radford et al. 2022, appendix C: lower case, no
punctuation, numbers as digits, contractions and spellings made one); every other language as Whisper's basic one, which
lowers the case, takes punctuation, signs and what is in brackets away, and keeps accents, vowel signs and tones. In
languages that write no spaces, a letter with its marks counts as a word.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages whose words are not parted by spaces."""
DOTLESS = frozenset({"tr", "az"})
"""Languages in which I is the capital of the i without a dot, and the i with one has a capital of its own."""
_LOWER_I = str.maketrans({"\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}": "i", "I": "\N{LATIN SMALL LETTER DOTLESS I}"})
_OF_SIGNS = dict.fromkeys([*range(0xFE00, 0xFE10), 0x20E3])
"""Marks that say how a sign is drawn (variation selectors, keycaps): without the sign they would be a word."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What separates a hypothesis from its reference of ``length`` words or characters."""

    substitutions: int
    deletions: int
    insertions: int
    length: int

    @property
    def errors(self) -> int:
        """All three together."""
        return self.substitutions + self.deletions + self.insertions

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )


def normaliser_name(language: str) -> str:
    """How the text of a language is normalised, for those who read the result; only runs with the same are compared."""
    base = _base(language)
    if base == "en":
        return "whisper_normalizer English"
    dotless = " and dotless i" if base in DOTLESS else ""
    return f"whisper_normalizer Basic with marks{dotless}{', letter by letter' if base in UNSPACED else ''}"


def normalised(text: str, language: str) -> str:
    """The text as it is compared."""
    return " ".join(_normaliser(_base(language))(text).split())


def word_edits(reference: str, hypothesis: str) -> Edits:
    """Of two normalised texts, by words."""
    import jiwer

    if not reference:
        return Edits(0, 0, len(hypothesis.split()), 0)
    found = jiwer.process_words([reference], [hypothesis])
    return Edits(found.substitutions, found.deletions, found.insertions, len(reference.split()))


def character_edits(reference: str, hypothesis: str) -> Edits:
    """Of two normalised texts, by characters; a space is one."""
    import jiwer

    if not reference:
        return Edits(0, 0, len(hypothesis), 0)
    found = jiwer.process_characters([reference], [hypothesis])
    return Edits(found.substitutions, found.deletions, found.insertions, len(reference))


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of two texts laid side by side; ``kind`` is equal, substitute, delete or insert."""

    kind: str
    reference: str
    hypothesis: str


def side_by_side(reference: str, hypothesis: str) -> tuple[Passage, ...]:
    """Where two normalised texts agree and where not, word by word."""
    import jiwer

    ours, theirs = reference.split(), hypothesis.split()
    if not ours:
        return (Passage("insert", "", hypothesis),) if theirs else ()
    chunks = jiwer.process_words([reference], [hypothesis]).alignments[0]
    return tuple(
        Passage(
            chunk.type,
            " ".join(ours[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(theirs[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in chunks
    )


def _base(language: str) -> str:
    return language.partition("-")[0]


@functools.cache
def _normaliser(language: str) -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    made: Callable[[str], str] = EnglishTextNormalizer() if language == "en" else _basic(language)
    return made


def _basic(language: str) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    basic: Callable[[str], str] = BasicTextNormalizer(split_letters=language in UNSPACED, preserve_marks=True)

    def made(text: str) -> str:
        whole = unicodedata.normalize("NFC", text).translate(_OF_SIGNS)
        return basic(whole.translate(_LOWER_I) if language in DOTLESS else whole)

    return made
