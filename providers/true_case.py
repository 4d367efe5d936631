"""How often English words stood beside one another, and in which case: the statistics that come with truecase.

They are a pickle inside the package's wheel, so the file is read only when it is the one that was published: its
sha256 is pinned. Nothing is fetched; the tokenizers of NLTK, which need data of their own, are not used.
Source: Lita et al., tRuEcasIng, ACL 2003, as truecase 0.0.14 simplifies it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from speech.errors import ModelUnavailable

if TYPE_CHECKING:
    from truecase.TrueCaser import TrueCaser

SHA256 = "2c8543682aad0487e5523381e4e89de23c58d026134878c3447b12028f75569a"
"""Of english.dist in truecase 0.0.14."""
MEMORY_BYTES = 400_000_000
"""What the statistics take in memory: measured 340 MB."""
_SEEN = 2
"""A word met only with a capital, and less often, says nothing: it may have begun its sentence."""


def statistics_file() -> Path | None:
    """Where the statistics lie; None where truecase is not installed."""
    found = find_spec("truecase")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "data" / "english.dist"
    return path if path.is_file() else None


def load_true_caser() -> TrueCaser:
    """truecase with its English statistics, made to give the same answer in every process.

    Raises:
        ModelUnavailable: when the file is not there, or not the one that was published.

    """
    path = statistics_file()
    if path is None:
        raise ModelUnavailable("The English statistics of truecase are not installed.")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise ModelUnavailable("The English statistics of truecase are not those of version 0.0.14: sha256.")
    from truecase.TrueCaser import TrueCaser

    caser = TrueCaser(str(path))
    caser.first_token_case = _first_capital
    caser.word_casing_lookup = {
        word: found for word, cases in caser.word_casing_lookup.items() if (found := _cases(caser, word, cases))
    }
    return caser


def _cases(caser: TrueCaser, word: str, cases: set[str]) -> list[str]:
    """The writings of a word in a fixed order: sets of strings have none, and equal scores would go by it."""
    rare = len(cases) == 1 and caser.uni_dist[next(iter(cases))] < _SEEN
    return [] if rare and word not in cases else sorted(cases, key=lambda case: (case != word, case))


def _first_capital(word: str) -> str:
    return word[:1].upper() + word[1:]  # truecase's own makes NASA Nasa


def true_cased(caser: TrueCaser, sentence: Sequence[str]) -> list[str]:
    """One sentence, its words in small letters and without marks, in its true case; unknown words stay.

    Words are as in ``sentence``: as many, the same ones.
    """
    cased: list[str] = caser.get_true_case_from_tokens(list(sentence), "as-is")
    cased[0] = _first_capital(cased[0])
    return [case if case.lower() == word.lower() else word for case, word in zip(cased, sentence, strict=True)]
