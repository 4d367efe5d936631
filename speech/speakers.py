"""Enrolled speakers: their states, and what their names are compared by."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from enum import StrEnum

from speech.errors import InvalidAudio

SHORTEST_TAKE = 2.0
LONGEST_TAKE = 60.0
"""Seconds of a recording that somebody is enrolled by."""
MOST_TAKES = 20
"""Takes of one speaker."""


_LABEL = re.compile(r"SPEAKER[_ ]*\d+", re.IGNORECASE)
_JOINERS = "\u200c\u200d"
"""What joins letters or keeps them apart in Persian and in scripts of India."""


class TakeStatus(StrEnum):
    """What became of one recording of a voice."""

    ENROLLING = "enrolling"
    READY = "ready"
    STALE = "stale"
    FAILED = "failed"


class SpeakerStatus(StrEnum):
    """Whether a speaker is known by the voice."""

    ENROLLING = "enrolling"
    READY = "ready"
    STALE = "stale"
    FAILED = "failed"


def refuse_length(seconds: float) -> None:
    """Refuse a take that is too short to know somebody by, or longer than that needs; InvalidAudio."""
    if not SHORTEST_TAKE <= seconds <= LONGEST_TAKE:
        raise InvalidAudio(
            f"The recording lasts {seconds:.1f} s; a take lasts {SHORTEST_TAKE:g} to {LONGEST_TAKE:g} s. "
            "Cut it, or record another one."
        )


def status_of(takes: frozenset[TakeStatus]) -> SpeakerStatus:
    """The speaker's status from those of the takes: one that is ready is enough."""
    for take, speaker in (
        (TakeStatus.READY, SpeakerStatus.READY),
        (TakeStatus.ENROLLING, SpeakerStatus.ENROLLING),
        (TakeStatus.STALE, SpeakerStatus.STALE),
    ):
        if take in takes:
            return speaker
    return SpeakerStatus.FAILED


def refuse_name(name: str) -> str:
    """The name as it is; ValueError when readers could take it for another, or for somebody whom nobody knows."""
    if _LABEL.fullmatch(unicodedata.normalize("NFKC", name).strip()):
        raise ValueError("speakers without a name are called SPEAKER_00 and so on: choose another name")
    seen = [char for char in name if unicodedata.category(char) != "Cf"]
    if not "".join(seen).strip() or any(char not in _JOINERS for char in name if unicodedata.category(char) == "Cf"):
        raise ValueError("a name is made of characters that one can see")
    return name


def name_key(name: str) -> str:
    """A digest by which two writings of one name are told to be the same, whatever their case and form."""
    seen = "".join(char for char in name if char not in _JOINERS)
    plain = " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()
