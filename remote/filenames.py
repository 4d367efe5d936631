"""What a downloaded file is called: a plain name, whatever the other side says."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import unquote

from speech.filenames import shown_name

_EXTENDED = re.compile(r"(?:^|;)\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


def from_disposition(value: str | None) -> str | None:
    """The file name of a Content-Disposition header (RFC 6266), cleaned; None when it names none."""
    if not value:
        return None
    extended = _EXTENDED.search(value)
    if extended:
        return shown_name(unquote(extended[1], errors="replace"))
    message = Message()
    # Half of a surrogate pair would be taken for a byte that could not be read.
    message["content-disposition"] = value.encode("utf-8", errors="replace").decode("utf-8")
    name = message.get_filename()
    return shown_name(name) if name else None


def from_path(path: str) -> str | None:
    """The last part of an escaped URL path, cleaned; None when the path ends in a folder."""
    last = path.rsplit("/", 1)[-1]
    return shown_name(unquote(last)) if last else None
