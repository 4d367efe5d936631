"""What a downloaded file is called: a plain name, whatever the other side says."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote

FALLBACK = "audio"
MAX_BYTES = 255
_LONGEST_SUFFIX = 16
_EXTENDED = re.compile(r"(?:^|;)\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


def clean(name: str) -> str:
    """One name without folders, control or formatting characters; at most 255 bytes of UTF-8; never empty."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    spaced = (" " if char.isspace() else char for char in base)
    visible = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    trimmed = _shortened(unicodedata.normalize("NFC", visible).strip(" "))
    return FALLBACK if not trimmed.strip(". ") else trimmed


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = MAX_BYTES - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" ") + dot + suffix


def from_disposition(value: str | None) -> str | None:
    """The file name of a Content-Disposition header (RFC 6266), cleaned; None when it names none."""
    if not value:
        return None
    extended = _EXTENDED.search(value)
    if extended:
        return clean(unquote(extended[1], errors="replace"))
    message = Message()
    message["content-disposition"] = value
    name = message.get_filename()
    return clean(name) if name else None


def from_path(path: str) -> str | None:
    """The last part of an escaped URL path, cleaned; None when the path ends in a folder."""
    last = path.rsplit("/", 1)[-1]
    return clean(unquote(last)) if last else None
