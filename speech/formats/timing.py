"""When cues are shown. Times are whole milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil

from speech.options import SubtitleOptions


@dataclass(frozen=True, slots=True)
class Cue:
    """Some lines of text shown from ``start_ms`` until ``end_ms``, which is later; ``speaker`` is a label."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None
    channel: int | None = None

    @property
    def characters(self) -> int:
        """How much there is to read."""
        return sum(map(len, self.lines))


def one_by_one(cues: Sequence[Cue]) -> list[Cue]:
    """The cues in order of time, each lasting and ending before the next begins.

    Two that overlap share the time by their length, the first no further than it went, the second no earlier.
    """
    shown: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms)):
        following = replace(cue, end_ms=max(cue.end_ms, cue.start_ms + 1))
        if shown and shown[-1].end_ms > following.start_ms:
            shown[-1], following = _shared(shown[-1], following)
        shown.append(following)
    return shown


def _shared(before: Cue, after: Cue) -> tuple[Cue, Cue]:
    end = max(before.end_ms, after.end_ms)
    characters = before.characters + after.characters
    fair = before.start_ms + (end - before.start_ms) * before.characters // characters
    earliest = max(before.start_ms + 1, after.start_ms)
    border = min(max(fair, earliest), max(before.end_ms, earliest))
    return replace(before, end_ms=border), replace(after, start_ms=border, end_ms=max(end, border + 1))


def stacked(cues: Sequence[Cue], max_lines: int) -> list[Cue]:
    """Cues that are said mostly at the same time become one, their lines below one another, where they find room."""
    shown: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms)):
        if shown and _together(shown[-1], cue, max_lines):
            end = max(shown[-1].end_ms, cue.end_ms)
            shown[-1] = Cue(shown[-1].start_ms, end, shown[-1].lines + cue.lines)
        else:
            shown.append(cue)
    return shown


def _together(before: Cue, after: Cue, max_lines: int) -> bool:
    if len(before.lines) + len(after.lines) > max_lines or after.lines[-1].isdecimal():
        return False  # a last line of digits alone would be taken for the next cue's number
    shared = min(before.end_ms, after.end_ms) - after.start_ms
    shorter = min(before.end_ms - before.start_ms, after.end_ms - after.start_ms)
    return shared > 0 and shared * 2 >= shorter


def readable(cues: Sequence[Cue], options: SubtitleOptions, end_ms: int) -> list[Cue]:
    """Let cues that follow one another stay as long as reading them takes, into the silence behind them.

    None reaches into the next one, lasts longer than ``max_duration`` for that, or goes on after ``end_ms``; one
    that lasts longer though it needs no such time ends early.
    """
    borders = chain((cue.start_ms for cue in cues[1:]), (end_ms,))
    return [_readable(cue, border, options) for cue, border in zip(cues, borders, strict=False)]


def _readable(cue: Cue, border: int, options: SubtitleOptions) -> Cue:
    longest = max(1, int(options.max_duration * 1000))
    wanted = min(ceil(cue.characters / options.max_cps * 1000), longest)
    end = max(cue.end_ms, min(cue.start_ms + wanted, border))
    return replace(cue, end_ms=min(end, cue.start_ms + longest))
