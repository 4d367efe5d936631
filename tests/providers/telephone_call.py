"""A call of two people whose turns are known, and what diarizers make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audio.samples import Samples
from audio.spool import Spool
from speech.diarization import Diarization, Turn
from tests.conftest import AUDIO

CALL = AUDIO / "conversation"
AGAIN = (7.0, 16.5)
"""The part of the call that is heard a second time, so that the recording is longer than one block."""


def spool_of(samples: Samples, path: Path) -> Spool:
    (np.clip(samples, -1, 1) * 32767).astype("<i2").tofile(path)
    return Spool.at(path)


def reference() -> list[Turn]:
    rows = [line.split() for line in (CALL / "sample.rttm").read_text("utf-8").splitlines()]
    turns = [Turn(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]
    first, last = AGAIN
    again = [Turn(max(t.start, first) + 30 - first, min(t.end, last) + 30 - first, t.speaker) for t in turns]
    return turns + [turn for turn in again if turn.duration > 0]


def annotated(turns: list[Turn] | tuple[Turn, ...]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Segment(turn.start, turn.end), number] = turn.speaker
    return annotation


def error_rate(known: Any, found: Any) -> float:
    from pyannote.metrics.diarization import DiarizationErrorRate

    return float(DiarizationErrorRate()(known, found))


def cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(np.dot(one, other))


@dataclass
class Call:
    """A call of two people, what was found in it block by block, and what pyannote itself finds in the whole."""

    spool: Spool
    found: Diarization
    shares: list[float]
    own: Any
    heard: Any
    pipeline: Any
