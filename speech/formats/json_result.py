"""JSON: the contract's ``json`` result, on one line, as UTF-8."""

from __future__ import annotations

import json

from speech.codec import to_json
from speech.options import SubtitleOptions
from speech.transcript import Transcript


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The whole transcript, words and all."""
    return json.dumps(to_json(transcript), ensure_ascii=False, allow_nan=False) + "\n"
