"""Plain text: one segment a line, behind its speaker's name where speakers are known."""

from __future__ import annotations

from speech.formats.voices import names_of
from speech.options import SubtitleOptions
from speech.transcript import Transcript, plain


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript's text; without words, empty."""
    names = names_of(transcript)
    lines = ((names.get(segment.speaker or "", ""), plain(segment.text)) for segment in transcript.segments)
    return "".join(f"{name}: {text}\n" if name else f"{text}\n" for name, text in lines if text)
