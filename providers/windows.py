"""Long texts in windows that overlap: what stands at the rim of one is in the middle of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from providers.punctuator import Gaps


@dataclass(frozen=True, slots=True)
class Window:
    """Words ``start`` to ``stop`` are looked at; of these ``first`` to ``last`` are taken. Indices, ends excluded."""

    start: int
    stop: int
    first: int
    last: int


def windows(start: int, stop: int, size: int, margin: int) -> Iterator[Window]:
    """Windows over the words ``start`` to ``stop``: each word is taken once, from a window of at most ``size`` words
    in which, where there are so many, at least ``margin`` words stand on each side of it."""
    first = start
    while first < stop:
        begin = max(start, first - margin)
        end = min(stop, begin + size)
        last = stop if end == stop else end - margin
        yield Window(begin, end, first, last)
        first = last


def paragraphs(count: int, gaps: Gaps | None, pause: float) -> Iterator[tuple[int, int]]:
    """Where the voice paused for ``pause`` seconds or longer: start and end (excluded) of what lies between."""
    start = 0
    for index in range(count):
        gap = gaps[index] if gaps is not None else None
        if index == count - 1 or (gap is not None and gap >= pause):
            yield start, index + 1
            start = index + 1
