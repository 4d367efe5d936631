"""References of conversations as the field writes them: RTTM says who spoke when, STM who said what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from speech.diarization import Turn

T = TypeVar("T")
_COMMENTS = (";;", "#")
_NOT_SCORED = frozenset({"ignore_time_segment_in_scoring", "inter_segment_gap"})


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch in which one speaker says ``text``; seconds from the start of the recording."""

    start: float
    end: float
    speaker: str
    text: str


def read_rttm(path: Path, name: str) -> tuple[Turn, ...]:
    """The SPEAKER lines of an RTTM file that belong to recording ``name``; all of them when it is about one recording.

    Raises:
        ValueError: saying which line is none of RTTM.

    """
    return _named(_read(path, _turn), name)


def read_stm(path: Path, name: str) -> tuple[Utterance, ...]:
    """The lines of an STM file that belong to recording ``name``; all of them when it is about one recording.

    Raises:
        ValueError: saying which line is none of STM.

    """
    return _named(_read(path, _utterance), name)


def _read(path: Path, line_of: Callable[[str], tuple[str, T] | None]) -> list[tuple[str, T]]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(_COMMENTS):
            continue
        try:
            parsed = line_of(line)
        except (ValueError, IndexError):
            raise ValueError(f"line {number} of {path.name} cannot be read") from None
        if parsed is not None:
            found.append(parsed)
    return found


def _named(found: Sequence[tuple[str, T]], name: str) -> tuple[T, ...]:
    if len({recording for recording, _ in found}) == 1:
        return tuple(each for _, each in found)
    return tuple(each for recording, each in found if recording == name)


def _turn(line: str) -> tuple[str, Turn] | None:
    kind, recording, _channel, onset, duration, _ortho, _subtype, speaker = line.split()[:8]
    if kind != "SPEAKER":
        return None
    return recording, Turn(float(onset), float(onset) + float(duration), speaker)


def _utterance(line: str) -> tuple[str, Utterance] | None:
    recording, _channel, speaker, start, end, *rest = line.split(maxsplit=5)
    text = rest[0] if rest else ""
    if text.startswith("<"):  # <o,f0,female>: the label that NIST's tools select by
        text = text.partition(">")[2]
    if speaker in _NOT_SCORED or text.strip().lower() in _NOT_SCORED:
        return None
    return recording, Utterance(float(start), float(end), speaker, text.strip())
