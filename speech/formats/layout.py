"""Atoms into cues and lines: width and number of lines are hard limits, duration is kept where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from speech.formats.atoms import Atom
from speech.options import SubtitleOptions

PAUSE_MS = 1500
"""A silence of this length inside a segment ends a cue."""

_SENTENCE_ENDS = frozenset(".!?…。！？؟।։")
_CLAUSE_ENDS = frozenset(",;:，、；：،؛—–")
_CLOSING = "\"'»”’)]）」』】"

Line = list[Atom]


def blocks(atoms: Sequence[Atom], options: SubtitleOptions) -> Iterator[list[Line]]:
    """Cut atoms into blocks, one a cue: each at most ``max_lines`` lines of ``max_line_width`` columns.

    A single atom wider than that stands alone on its line. A block ends at a long pause, before it lasts longer
    than ``max_duration``, and rather where a sentence or clause ends.
    """
    for run in _runs(atoms):
        first = 0
        while first < len(run):
            reach = _reach(run, first, options)
            last = reach if reach == len(run) else _best_break(run, first, reach)
            block = _without_lonely_number(_balanced(run[first:last], options))
            first += sum(map(len, block))
            yield block


def written(line: Sequence[Atom]) -> str:
    """The line's text."""
    return "".join((" " if atom.space_before and number else "") + atom.text for number, atom in enumerate(line))


def _runs(atoms: Sequence[Atom]) -> Iterator[Sequence[Atom]]:
    first = 0
    for index in range(1, len(atoms)):
        if atoms[index].start_ms - atoms[index - 1].end_ms >= PAUSE_MS:
            yield atoms[first:index]
            first = index
    if atoms:
        yield atoms[first:]


def _reach(run: Sequence[Atom], first: int, options: SubtitleOptions) -> int:
    """The index behind the last atom that the limits allow in a block from ``first``; never fewer than one."""
    lines, column = 1, 0
    for index in range(first, len(run)):
        atom = run[index]
        step = atom.columns + bool(column and atom.space_before)
        if _fits(column, step, options.max_line_width):
            column += step
        else:
            lines, column = lines + 1, atom.columns
        lasts = atom.end_ms - run[first].start_ms
        if index > first and (lines > options.max_lines or lasts > options.max_duration * 1000):
            return index
    return len(run)


def _fits(column: int, step: int, width: int) -> bool:
    return not column or column + step <= width


def _best_break(run: Sequence[Atom], first: int, reach: int) -> int:
    """Where to end a block that cannot hold all: late, but rather behind a sentence or clause, never too early.

    When little is left for the block after it, the two share the text.
    """
    held = max(1, sum(atom.columns for atom in run[first:reach]))  # marks alone take no columns
    left = 0
    for index in range(reach, len(run)):
        left += run[index].columns
        if left * 2 > held:
            break
    aim = (held + left) / 2 if left * 2 <= held else held
    best, best_score, so_far = reach, float("-inf"), 0
    for index in range(first, reach):
        so_far += run[index].columns
        score = _ending(run[index].text) - abs(aim - so_far) / held
        if so_far * 2 >= held and score >= best_score:
            best, best_score = index + 1, score
    return best


def _ending(text: str) -> float:
    """How well a block ends behind this text: 0 to 1."""
    last = text.rstrip(_CLOSING)[-1:]
    return 1.0 if last in _SENTENCE_ENDS else 0.5 if last in _CLAUSE_ENDS else 0.0


def _balanced(block: Sequence[Atom], options: SubtitleOptions) -> list[Line]:
    """As few lines as the width allows, of like length."""
    lines = _filled(block, options.max_line_width)
    if len(lines) == 1:
        return lines
    whole = sum(atom.columns + atom.space_before for atom in block)
    for width in range(ceil(whole / len(lines)) - 1, options.max_line_width):
        narrower = _filled(block, width)
        if len(narrower) == len(lines) and not _lonely_number(narrower):
            return narrower
    return lines


def _filled(block: Sequence[Atom], width: int) -> list[Line]:
    lines: list[Line] = []
    column = 0
    for atom in block:
        step = atom.columns + bool(column and atom.space_before)
        if lines and _fits(column, step, width):
            lines[-1].append(atom)
            column += step
        else:
            lines.append([atom])
            column = atom.columns
    return lines


def _without_lonely_number(lines: list[Line]) -> list[Line]:
    """Leave a last line of digits alone to the next cue: readers of SRT take it for that cue's number."""
    while _lonely_number(lines):
        lines = lines[:-1]
    return lines


def _lonely_number(lines: list[Line]) -> bool:
    return len(lines) > 1 and written(lines[-1]).isdecimal()
