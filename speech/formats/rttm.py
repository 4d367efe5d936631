"""Rich Transcription Time Marked: who spoke when, as NIST's RT-09 plan defines it; no words.

One SPEAKER line a turn: file, channel (from 1), onset and duration in seconds, label. Fields have no spaces, so
underscores stand for them. Where speakers are known without turns (channels), a segment is a turn. Those of no known
speaker, and those that take no time, have no line: a transcript without speakers gives an empty file.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from speech.diarization import Turn
from speech.options import SubtitleOptions
from speech.transcript import Segment, Transcript, plain

_SPACES = re.compile(r"\s+")


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript's turns; without speakers, empty."""
    name = _field(PurePath(transcript.filename).stem) or "audio"
    told = transcript.turns or transcript.segments
    return "".join(_line(name, turn) for turn in told if _is_turn(turn))


def _is_turn(turn: Turn | Segment) -> bool:
    return bool(_field(turn.speaker or "")) and round(turn.end * 1000) > round(turn.start * 1000)


def _line(name: str, segment: Turn | Segment) -> str:
    onset, end = round(segment.start * 1000), round(segment.end * 1000)
    channel = getattr(segment, "channel", None) or 0
    times = f"{onset / 1000:.3f} {(end - onset) / 1000:.3f}"
    return f"SPEAKER {name} {channel + 1} {times} <NA> <NA> {_field(segment.speaker or '')} <NA> <NA>\n"


def _field(text: str) -> str:
    return _SPACES.sub("_", plain(text))
