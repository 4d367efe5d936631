"""SubRip. The format has neither overlaps nor a way to escape: voices are stacked, or take turns.

Text that a reader would take for markup (``<b>``, ``{\\an8}``) or for a line of times gets an invisible word joiner
(U+2060) behind its first mark, or before its ``>``: it looks the same, and comes back whole.
"""

from __future__ import annotations

import re

from speech.formats.cues import single_cues
from speech.formats.timing import Cue
from speech.options import SubtitleOptions
from speech.transcript import Transcript

WORD_JOINER = "\N{WORD JOINER}"
# HTML tags, SubStation's overrides and MicroDVD's styles: what players understand in SubRip.
_MARKUP = re.compile(r"<(?=\s*/?\s*[A-Za-z!][^>]*>)|\{(?=\\|[A-Za-z]:)")


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript as SubRip, numbered from 1; without words, empty."""
    cues = single_cues(transcript, options)
    return "\n".join(_cue(number, cue) for number, cue in enumerate(cues, 1))


def _cue(number: int, cue: Cue) -> str:
    text = _MARKUP.sub(rf"\g<0>{WORD_JOINER}", "\n".join(cue.lines)).replace("-->", f"--{WORD_JOINER}>")
    return f"{number}\n{_timestamp(cue.start_ms)} --> {_timestamp(cue.end_ms)}\n{text}\n"


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"
