"""How downloads look in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from speech.formats import FORMATS

_NAME = {"description": "`attachment`, with a name made of the recording's.", "schema": {"type": "string"}}
_ETAG = {"description": "Send it as `If-None-Match` to get 304.", "schema": {"type": "string"}}


def _content() -> dict[str, Any]:
    # A media type can be named once, and two formats may share one.
    plain = {each.media_type.partition(";")[0] for each in FORMATS.values()}
    return {name: {"schema": {} if name == "application/json" else {"type": "string"}} for name in sorted(plain)}


FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": _content(),
        "headers": {"Content-Disposition": _NAME, "ETag": _ETAG},
    },
    304: {"description": "The client has it already.", "headers": {"ETag": _ETAG}},
}
ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The zip, made while it is sent.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"Content-Disposition": _NAME},
    },
}
