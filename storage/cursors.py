"""Opaque cursors of lists that go by the moment at which their rows were made."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from speech.errors import UnsupportedOption

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHECK_BYTES = 4
MAX_LIMIT = 1000
"""Rows that one call may ask for."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was seen: when it was made, and its id."""

    created_at: datetime
    row_id: str


def encode(position: Position) -> str:
    """The position as a word for a URL, with a checksum against mangling; it holds nothing secret."""
    micros = (position.created_at - _EPOCH) // timedelta(microseconds=1)
    plain = f"{micros}:{position.row_id}".encode()
    return base64.urlsafe_b64encode(_checksum(plain) + plain).decode().rstrip("=")


def decode(cursor: str) -> Position:
    """The position that ``encode`` was given; UnsupportedOption when it was not given it."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, plain = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        micros, _, row_id = plain.decode().partition(":")
        position = Position(_EPOCH + timedelta(microseconds=int(micros)), row_id)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise _refused() from error
    if check != _checksum(plain) or encode(position) != cursor:
        raise _refused()
    return position


def checked_limit(limit: int) -> int:
    """The limit, when it is one; UnsupportedOption otherwise."""
    if not 1 <= limit <= MAX_LIMIT:
        raise UnsupportedOption(f"limit is from 1 to {MAX_LIMIT}.", "limit")
    return limit


def _checksum(plain: bytes) -> bytes:
    return hashlib.blake2b(plain, digest_size=_CHECK_BYTES).digest()


def _refused() -> UnsupportedOption:
    return UnsupportedOption("The cursor is not one that this list gave; start without one.", "cursor")
