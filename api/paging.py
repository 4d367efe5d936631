"""Pages of lists that are short and kept in memory, by the place where the page before ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from api.refusals import FieldError, InvalidRequest

Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=512, pattern=r"^[A-Za-z0-9_\-=.]+$", description="`next_cursor` of the page before."),
]


def page_of(rows: Sequence[dict[str, Any]], limit: int, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of one page, and the cursor of the next; InvalidRequest for a cursor that no page gave."""
    start = 0
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 6):
            message = "The cursor is not one that this list gave; start without one."
            raise InvalidRequest(message, [FieldError("cursor", message, "invalid_cursor")])
        start = int(cursor)
    end = start + limit
    return list(rows[start:end]), str(end) if end < len(rows) else None
