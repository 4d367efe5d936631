"""WebVTT: https://www.w3.org/TR/webvtt1/. Voices overlap as they did; speakers are voice tags."""

from __future__ import annotations

from speech.formats.cues import parallel_cues
from speech.formats.timing import Cue
from speech.formats.voices import names_of
from speech.options import SubtitleOptions
from speech.transcript import Transcript


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript as WebVTT; without words, the header alone."""
    names = names_of(transcript)
    cues = [_cue(cue, names.get(cue.speaker or "", "")) for cue in parallel_cues(transcript, options)]
    return "\n".join(["WEBVTT\n", *cues]) if cues else "WEBVTT\n"


def _cue(cue: Cue, speaker: str) -> str:
    text = _escaped("\n".join(cue.lines))
    spoken = f"<v {_escaped(speaker)}>{text}</v>" if speaker else text
    return f"{_timestamp(cue.start_ms)} --> {_timestamp(cue.end_ms)}\n{spoken}\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
