"""How English words sound, in the phones of the CMU dictionary: looked up, put together, or told from the letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice, product
from unicodedata import normalize

from providers.numerals import has_digits, readings

Lookup = Callable[[str], tuple[str, ...]]
"""The pronunciations of a lower-case word that the dictionary has; none when it has not."""

UNKNOWN_SPEECH = "+SPN+"
"""The phone of any speech: for words of other scripts."""
_MOST_WAYS = 6
_SHORTEST_PART = 3
_LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "EY",
            "B IY",
            "S IY",
            "D IY",
            "IY",
            "EH F",
            "JH IY",
            "EY CH",
            "AY",
            "JH EY",
            "K EY",
            "EH L",
            "EH M",
            "EH N",
            "OW",
            "P IY",
            "K Y UW",
            "AA R",
            "EH S",
            "T IY",
            "Y UW",
            "V IY",
            "D AH B AH L Y UW",
            "EH K S",
            "W AY",
            "Z IY",
        ],
        strict=True,
    )
)
_RULES = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "augh": "AO", "eigh": "EY", "tch": "CH", "dge": "JH",
    "igh": "AY", "sch": "SH", "ear": "IH R", "air": "EH R", "our": "AW R", "ch": "CH", "sh": "SH", "th": "TH",
    "ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "kn": "N", "wr": "R", "gh": "G", "ee": "IY", "ea": "IY",
    "oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "ei": "IY", "ey": "IY",
    "ie": "IY", "au": "AO", "aw": "AO", "oa": "OW", "oe": "OW", "ue": "UW", "ui": "UW", "ew": "UW", "ar": "AA R",
    "er": "ER", "ir": "ER", "or": "AO R", "ur": "ER", "ce": "S EH", "ci": "S IH", "cy": "S IY", "a": "AE", "b": "B",
    "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M",
    "n": "N", "o": "OW", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S",
    "y": "IY", "z": "Z",
}  # fmt: skip
"""The commonest sound of each spelling; far from exact, and near enough to find a word between its neighbours."""
_SPELLINGS = re.compile("|".join(sorted(_RULES, key=len, reverse=True)))


def pronunciations(word: str, lookup: Lookup) -> tuple[str, ...]:
    """The ways in which a written word may sound, each its phones with spaces between; at least one.

    Args:
        word: as written, with capitals, digits and marks, holding at least a letter, a digit or a sign with a name.
        lookup: the dictionary.

    """
    texts = readings(word, "en") if has_digits(word) or not any(sign.isalpha() for sign in word) else (word,)
    each = _MOST_WAYS // max(1, len(texts))
    ways = [way for text in texts for way in _of_text(text, lookup)[:each]]
    return tuple(dict.fromkeys(ways))[:_MOST_WAYS] or (UNKNOWN_SPEECH,)


def _of_text(text: str, lookup: Lookup) -> list[str]:
    parts = [way for part in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text) if (way := _of_word(part, lookup))]
    return [" ".join(ways) for ways in islice(product(*parts), _MOST_WAYS)] if parts else []


def _of_word(word: str, lookup: Lookup) -> tuple[str, ...]:
    plain = _plain(word)
    if not plain:
        return (UNKNOWN_SPEECH,)
    known = lookup(plain)
    if known:
        return known
    bare = plain.replace("'", "")
    if word.isupper() and len(bare) > 1 and not re.search("[AEIOUY]", word):
        return (_spelled(bare),)
    together = _composed(bare, lookup)
    if together:
        return (together,)
    return (_by_rule(bare), _spelled(bare)) if word.isupper() and len(bare) > 1 else (_by_rule(bare),)


def _plain(word: str) -> str:
    """Lower-case letters a to z and apostrophes."""
    return re.sub("[^a-z']", "", normalize("NFKD", word.replace("’", "'")).lower()).strip("'")


def _composed(word: str, lookup: Lookup) -> str | None:
    """Two words of the dictionary written as one, or a word and its ending s."""
    cuts = sorted(range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1), key=lambda at: abs(len(word) - 2 * at))
    for at in cuts:
        left, right = lookup(word[:at]), lookup(word[at:])
        if left and right:
            return f"{left[0]} {right[0]}"
    stem = lookup(word[:-1]) if word.endswith("s") else ()
    return f"{stem[0]} Z" if stem else None


def _spelled(word: str) -> str:
    return " ".join(_LETTERS[letter] for letter in word)


def _by_rule(word: str) -> str:
    silent = word[:-1] if len(word) > 3 and word.endswith("e") and word[-2] not in "aeiouy" else word
    single = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", silent)
    return " ".join(_RULES[spelling] for spelling in _SPELLINGS.findall(single))
