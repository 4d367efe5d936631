"""Which formats there are, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech.errors import UnsupportedOption
from speech.formats import json_result, rttm, srt, tsv, txt, vtt
from speech.options import SubtitleOptions
from speech.transcript import Transcript

Render = Callable[[Transcript, SubtitleOptions], str]

_SURROGATE = re.compile("[\ud800-\udfff]")


class UnknownFormat(UnsupportedOption):
    """No format of that name."""

    code = "unknown_format"


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a transcript: ``media_type`` as in HTTP, ``extension`` of file names without the dot."""

    name: str
    media_type: str
    extension: str
    render: Render


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("json", "application/json", "json", json_result.render),
        Format("vtt", "text/vtt; charset=utf-8", "vtt", vtt.render),
        Format("srt", "application/x-subrip", "srt", srt.render),
        Format("txt", "text/plain; charset=utf-8", "txt", txt.render),
        Format("tsv", "text/tab-separated-values; charset=utf-8", "tsv", tsv.render),
        Format("rttm", "text/plain; charset=utf-8", "rttm", rttm.render),
    )
}


def names() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(FORMATS)


def find(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownFormat: when there is none.

    """
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UnknownFormat(f"There is no format {name[:64]!r}; there are {known}.", "output_formats")
    return FORMATS[name]


def resolve(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The names asked for, each once; ``"all"`` stands for every format.

    Raises:
        UnknownFormat: for a name that is none.

    """
    asked = [wanted] if isinstance(wanted, str) else wanted
    each = [find(name).name for name in asked if name != "all"]
    return names() if "all" in asked else tuple(dict.fromkeys(each))


def render(transcript: Transcript, name: str, options: SubtitleOptions) -> str:
    """The transcript in the format of that name; the text can be encoded as UTF-8 and its lines end with LF.

    Raises:
        UnknownFormat: when there is no such format.

    """
    # A file name that was no valid UTF-8 comes with halves of surrogate pairs.
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", find(name).render(transcript, options))
