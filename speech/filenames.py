"""Names of recordings: shown to people, sent back in downloads, kept in rows; never used as paths."""

from __future__ import annotations

import unicodedata

LONGEST = 255
"""Bytes of a name in UTF-8: file systems take no longer ones."""
UNNAMED = "audio"
_LONGEST_ENDING = 10
_LINES = frozenset({"Zl", "Zp"})


def shown_name(given: str, unnamed: str = UNNAMED) -> str:
    """The name to show: the last part of a path, without control and direction marks, at most ``LONGEST`` bytes.

    Nothing is left of some names; they become ``unnamed``. A name that went through once stays as it is.
    """
    last = given.replace("\\", "/").rpartition("/")[2]
    spaced = (" " if character.isspace() else character for character in last)
    visible = "".join(character for character in spaced if not _hidden(character))
    return _shortened(" ".join(unicodedata.normalize("NFC", visible).split()).strip(". ")) or unnamed


def stem_of(filename: str) -> str:
    """The name without its last ending: ``call.tar.mp3`` gives ``call.tar``."""
    stem, dot, ending = filename.rpartition(".")
    return stem if dot and stem and len(ending) <= _LONGEST_ENDING else filename


def _hidden(character: str) -> bool:
    """Control, formatting, surrogate, private and unassigned characters, and those that part lines."""
    category = unicodedata.category(character)
    return category[0] == "C" or category in _LINES


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    stem = stem_of(name)
    ending = name[len(stem) :]
    room = LONGEST - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + ending
