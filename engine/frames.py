"""Frames of the engine's socket: the length of a header and of a payload, four bytes each, then the two.

The header is a message as JSON (engine/messages.py), the payload bytes that belong to it: audio, or words.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

_LENGTHS = struct.Struct(">II")
LENGTHS_BYTES = _LENGTHS.size

HEADER_BYTES = 256 * 1024
"""Longest header: a request with two hundred hotwords of two hundred characters fits."""
FRAME_SECONDS = 10.0
"""How long a frame may take to come, once it has begun."""
_SKIPPED_AT_ONCE = 64 * 1024


class BadFrame(Exception):
    """The other end sent what is no frame, or none that the protocol allows; the message is for the other end."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a frame: its header, and how many bytes of payload follow."""

    header: bytes
    payload_bytes: int


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Wait for the next frame and read its header; None when the other end is gone.

    Raises:
        BadFrame: when the header is too long, or does not come.

    """
    try:
        header_bytes, payload_bytes = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        if header_bytes > HEADER_BYTES:
            raise BadFrame(f"A header of {header_bytes} bytes is too long: {HEADER_BYTES} is the most.")
        return Head(await _within_time(reader, header_bytes), payload_bytes)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def read_payload(reader: asyncio.StreamReader, head: Head) -> bytes:
    """The payload of a frame whose header was read.

    Raises:
        BadFrame: when it does not come.
        EOFError, OSError: when the other end is gone.

    """
    return await _within_time(reader, head.payload_bytes)


async def skip_payload(reader: asyncio.StreamReader, head: Head) -> None:
    """Let a payload pass without keeping it; raises what `read_payload` does."""
    left = head.payload_bytes
    while left:
        left -= len(await _within_time(reader, min(left, _SKIPPED_AT_ONCE)))


def framed(header: bytes, payload_bytes: int = 0) -> bytes:
    """The beginning of a frame, up to its payload.

    Raises:
        BadFrame: when the header is longer than the other end reads.

    """
    if len(header) > HEADER_BYTES:
        raise BadFrame(f"A header of {len(header)} bytes is too long: {HEADER_BYTES} is the most.")
    return _LENGTHS.pack(len(header), payload_bytes) + header


async def _within_time(reader: asyncio.StreamReader, count: int) -> bytes:
    try:
        async with asyncio.timeout(FRAME_SECONDS):
            return await reader.readexactly(count)
    except TimeoutError:
        raise BadFrame(f"The rest of a frame did not come within {FRAME_SECONDS:g} seconds.") from None
