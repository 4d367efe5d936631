"""Long recordings in parts: how many are worth it, and where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from audio.pieces import Piece

MOST_PARTS = 32
"""Each part decodes the recording anew: beyond some number that costs more than it saves."""


def worthwhile(speech_seconds: float, from_seconds: float, idle: int) -> int:
    """Into how many parts to share out a recording when so many devices are idle.

    1 for one that is no longer than ``from_seconds``; a part has at least half of that.
    """
    if from_seconds <= 0 or speech_seconds <= from_seconds:
        return 1
    return max(1, min(idle, int(speech_seconds / (from_seconds / 2)), MOST_PARTS))


def share(pieces: Sequence[Piece], count: int) -> list[Sequence[Piece]]:
    """The pieces, in order, in at most ``count`` parts of about the same seconds of speech; none is empty."""
    ends = list(accumulate(piece.speech_seconds for piece in pieces))
    if not ends:
        return []
    target = ends[-1] / count
    parts: list[list[Piece]] = [[] for _ in range(count)]
    for piece, end in zip(pieces, ends, strict=True):
        # A piece belongs where its middle lies.
        middle = end - piece.speech_seconds / 2
        parts[min(count - 1, int(middle / target)) if target else 0].append(piece)
    return [part for part in parts if part]
