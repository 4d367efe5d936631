"""Rich Transcription Time Marked: who spoke when, as NIST's RT-09 plan defines it; no words.

One SPEAKER line a segment: file, channel (from 1), onset and duration in seconds, label. Fields have no spaces, so
underscores stand for them. Segments of no known speaker, and those that take no time, have no line: a transcript
without speakers gives an empty file.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from speech.options import SubtitleOptions
from speech.transcript import Segment, Transcript, plain

_SPACES = re.compile(r"\s+")


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript's turns; without speakers, empty."""
    name = _field(PurePath(transcript.filename).stem) or "audio"
    return "".join(_line(name, segment) for segment in transcript.segments if _is_turn(segment))


def _is_turn(segment: Segment) -> bool:
    return bool(_field(segment.speaker or "")) and round(segment.end * 1000) > round(segment.start * 1000)


def _line(name: str, segment: Segment) -> str:
    onset, end = round(segment.start * 1000), round(segment.end * 1000)
    channel = 1 if segment.channel is None else segment.channel + 1
    times = f"{onset / 1000:.3f} {(end - onset) / 1000:.3f}"
    return f"SPEAKER {name} {channel} {times} <NA> <NA> {_field(segment.speaker or '')} <NA> <NA>\n"


def _field(text: str) -> str:
    return _SPACES.sub("_", plain(text))
