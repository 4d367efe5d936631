"""Names of files on their way in and out over HTTP: in the parts of a form, in downloads, in archives."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, unquote

from speech.filenames import UNNAMED, shown_name, stem_of


def named_apart(names: Iterable[str]) -> list[str]:
    """The same names in the same order; what was there before, whatever its case, gets a number: ``a (2).vtt``."""
    taken: set[str] = set()
    apart: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            stem, dot, ending = name.rpartition(".")
            candidate = f"{stem} ({number}).{ending}" if dot else f"{name} ({number})"
        taken.add(candidate.casefold())
        apart.append(candidate)
    return apart


def attachment(filename: str) -> str:
    """The Content-Disposition of a download (RFC 6266), with the full name as RFC 5987 asks and an ASCII stand-in."""
    name = shown_name(filename)
    stem = stem_of(name)
    ending = _plain(name[len(stem) :]).strip(" .")
    plain = (_plain(stem).strip(" .") or UNNAMED) + (f".{ending}" if ending else "")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def name_in(disposition: bytes, plain: bytes | None) -> str | None:
    """The file name in a part's Content-Disposition; None where the part names no file.

    ``plain`` is the ``filename`` parameter, in UTF-8 as browsers and curl send it, with ``"`` as ``%22``. Some clients
    send ``filename*`` alone, which RFC 7578 forbids.
    """
    if plain is not None:
        return _decoded(plain).replace("%22", '"')
    _, found, rest = disposition.partition(b"filename*=")
    if not found:
        return None
    charset, _, value = _decoded(rest.partition(b";")[0]).strip().strip('"').partition("''")
    return unquote(value or charset, errors="replace")


def _plain(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return "".join("_" if character in '"\\%;' else character for character in ascii_only)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
