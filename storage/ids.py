"""New ids: opaque to clients, sorted by time for the index's sake, and not to be guessed."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """32 hexadecimal digits: 48 bits of milliseconds since 1970, then 80 random bits (compare RFC 9562, version 7)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
