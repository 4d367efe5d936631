"""References of conversations as the field writes them: RTTM says who spoke when, STM who said what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TypeVar

from speech.diarization import Turn

_COMMENTS = (";;", "#")
_NOT_SCORED = frozenset({"ignore_time_segment_in_scoring", "inter_segment_gap"})


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch in which one speaker says ``text``; seconds from the start of the recording."""

    start: float
    end: float
    speaker: str
    text: str


T = TypeVar("T", Turn, Utterance)
Line = tuple[str, T | None]
"""The recording that a line is about, and what it says; None where that is nothing to score."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Whose lines are wanted of a file: the recording's by the first of ``names`` that the file knows.

    ``alone`` when no other recording refers to the file: then the name does not matter in a file about one recording.
    """

    names: Sequence[str]
    alone: bool


def read_rttm(path: Path, wanted: Lookup) -> tuple[Turn, ...]:
    """The SPEAKER lines of an RTTM file that belong to a recording; none where the file is empty: nobody speaks.

    Raises:
        ValueError: saying which line is none of RTTM, or that there is none about the recording.

    """
    return _of_one(path, _read(path, _turn), wanted)


def read_stm(path: Path, wanted: Lookup) -> tuple[Utterance, ...]:
    """The lines of an STM file that belong to a recording; none where the file is empty: nobody speaks.

    Raises:
        ValueError: saying which line is none of STM, or that there is none about the recording.

    """
    return _of_one(path, _read(path, _utterance), wanted)


def _read(path: Path, line_of: Callable[[str], Line[T]]) -> list[Line[T]]:
    found = []
    # Only at ends of lines: texts may hold the other characters that str.splitlines parts by.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith(_COMMENTS):
            continue
        try:
            recording, said = line_of(line)
        except (ValueError, IndexError):
            raise ValueError(f"line {number} of {path.name} cannot be read") from None
        if said is not None and not 0 <= said.start <= said.end < inf:  # not so either with what is no number
            raise ValueError(f"line {number} of {path.name} begins before 0, ends before it begins, or never ends")
        found.append((recording, said))
    return found


def _of_one(path: Path, found: Sequence[Line[T]], wanted: Lookup) -> tuple[T, ...]:
    known = {recording for recording, _ in found}
    name = next((name for name in wanted.names if name in known), None)
    if name is None and known and not (wanted.alone and len(known) == 1):
        raise ValueError(f"no line of {path.name} is about {' or '.join(dict.fromkeys(wanted.names))}")
    return tuple(said for recording, said in found if said is not None and name in (recording, None))


def _turn(line: str) -> Line[Turn]:
    kind, recording, _channel, onset, duration, _ortho, _subtype, speaker = line.split()[:8]
    if kind != "SPEAKER":
        return recording, None
    return recording, Turn(float(onset), float(onset) + float(duration), speaker)


def _utterance(line: str) -> Line[Utterance]:
    recording, _channel, speaker, start, end, *rest = line.split(maxsplit=5)
    text = rest[0] if rest else ""
    if text.startswith("<"):  # <o,f0,female>: the label that NIST's tools select by
        text = text.partition(">")[2]
    if speaker in _NOT_SCORED or text.strip().lower() in _NOT_SCORED:
        return recording, None
    return recording, Utterance(float(start), float(end), speaker, text.strip())
