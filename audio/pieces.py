"""Long recordings in pieces that are recognised one by one, cut where nobody speaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audio.samples import SAMPLE_RATE
from audio.spans import Span

_LEAST_FILLED = 0.5
"""A piece is cut at the longest silence in its second half, so that it is worth its overhead."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive spans of a recording; ``index`` counts from 0. ``channel`` is the one that they are of, None for
    the mix of all."""

    index: int
    spans: tuple[Span, ...]
    channel: int | None = None

    @property
    def start(self) -> float:
        """Seconds from the start of the recording."""
        return self.spans[0].start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return self.spans[-1].end

    @property
    def speech_seconds(self) -> float:
        """Seconds that will be recognised: the spans without the silence between them."""
        return sum(span.duration for span in self.spans)


def cut(spans: Sequence[Span], piece_seconds: float) -> tuple[Piece, ...]:
    """Share out spans to pieces of at most ``piece_seconds`` of speech.

    Each piece ends at the longest silence that its second half offers, the later one of equals. A span that is longer
    than a piece is cut into equal parts. What all pieces hold together is exactly ``spans``.

    Args:
        spans: in order, without overlap.
        piece_seconds: positive.

    """
    rest = [part for span in spans for part in _parts(span, piece_seconds)]
    pieces: list[Piece] = []
    while rest:
        count = _first_cut(rest, piece_seconds)
        pieces.append(Piece(len(pieces), tuple(rest[:count])))
        rest = rest[count:]
    return tuple(pieces)


def _parts(span: Span, longest: float) -> list[Span]:
    samples = span.last - span.first
    count = max(math.ceil(samples / (longest * SAMPLE_RATE)), 1)
    borders = [span.first + samples * part // count for part in range(count + 1)]
    return [Span.of_samples(first, last) for first, last in pairwise(borders)]


def _first_cut(spans: Sequence[Span], longest: float) -> int:
    """How many spans the first piece takes."""
    held = 0.0
    best, best_silence = 1, -1.0
    for count, span in enumerate(spans, start=1):
        held += span.duration
        if held > longest and count > 1:
            return best
        if count == len(spans):
            return count
        silence = spans[count].start - span.end
        if held < longest * _LEAST_FILLED:
            best = count
        elif silence >= best_silence:
            best, best_silence = count, silence
    return best
