"""Tab-separated values: start, end (whole milliseconds) and text of every segment, below a line that names them.

The text holds neither tabs nor line breaks: they became spaces. A text with a quotation mark is quoted and the mark
doubled, as every reader of CSV expects.
"""

from __future__ import annotations

import csv
import io

from speech.options import SubtitleOptions
from speech.transcript import Transcript, plain


def render(transcript: Transcript, options: SubtitleOptions) -> str:
    """The transcript's segments as rows; without words, the header alone."""
    table = io.StringIO()
    rows = csv.writer(table, delimiter="\t", lineterminator="\n")
    rows.writerow(("start", "end", "text"))
    for segment in transcript.segments:
        if text := plain(segment.text):
            rows.writerow((round(segment.start * 1000), round(segment.end * 1000), text))
    return table.getvalue()
