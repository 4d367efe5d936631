"""How long a file says it is. Runs in the child only.

A claim is what the file's own header promises, so that a recording that breaks off can be told. FFmpeg's estimates
from bit rate and file size are no claims, and neither are the sizes that writers leave who could not go back.
"""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.container import InputContainer

_WITH_A_CLAIM = frozenset(
    {"mov", "matroska", "flac", "wav", "w64", "aiff", "au", "caf", "asf", "avi", "wv", "tta", "ape", "tak", "ogg"}
)
_WORTHLESS_ESTIMATES = frozenset({"aac", "loas"})
"""Formats of varying bit rate whose length FFmpeg guesses from their first frames."""

_PCM_HEADERS = frozenset({"wav", "w64", "aiff", "au", "caf"})
_UNKNOWN_SIZE = 0x7FFF0000
"""Writers that cannot go back leave a size from here on: the largest of 31 or 32 bits, less a header or a page."""

_TAIL_OF_FIRST_FRAME = 2048


def probable_duration(container: InputContainer, stream: AudioStream, source: BinaryIO) -> float | None:
    """Seconds for people to read: the claim, or else FFmpeg's estimate where it is worth something."""
    claim = claimed_duration(container, stream, source)
    if claim is not None or _kind(container) in _WORTHLESS_ESTIMATES | _WITH_A_CLAIM:
        return claim
    return _of_stream(stream) or _of_container(container)


def claimed_duration(container: InputContainer, stream: AudioStream, source: BinaryIO) -> float | None:
    """Seconds of audio that the file's header promises; None when it promises nothing."""
    kind = _kind(container)
    if kind == "mp3":
        return _of_stream(stream) if _has_frame_count(source) else None
    if kind not in _WITH_A_CLAIM:
        return None
    claim = (_of_riff(source) if kind == "wav" else None) or _of_stream(stream)
    if claim is None and _is_alone(container, stream):
        claim = _of_container(container)
    if claim is not None and kind in _PCM_HEADERS and claim * _bytes_per_second(stream) >= _UNKNOWN_SIZE:
        return _bounded(claim, stream, source)
    return claim


def _kind(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


def _of_stream(stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return _sane(float(stream.duration * stream.time_base))
    # Matroska keeps each track's length in a tag: "01:02:03.456000000".
    parts = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return None
    return _sane(hours * 3600 + minutes * 60 + seconds)


def _of_container(container: InputContainer) -> float | None:
    return None if container.duration is None else _sane(container.duration / 1_000_000)


def _sane(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _is_alone(container: InputContainer, stream: AudioStream) -> bool:
    """Whether the container's length is this stream's: a film may go on after its sound."""
    return all(other.index == stream.index or other.type not in ("audio", "video") for other in container.streams)


def _bytes_per_second(stream: AudioStream) -> float:
    return (stream.codec_context.bit_rate or 0) / 8


def _bounded(claim: float, stream: AudioStream, source: BinaryIO) -> float | None:
    """A claim of 2 GiB and more, unless the file is too small to keep it: then nobody knew."""
    size = source.seek(0, 2)
    return claim if claim * _bytes_per_second(stream) <= size else None


def _of_riff(source: BinaryIO) -> float | None:
    """What a WAV file's data chunk promises; FFmpeg itself silently cuts that down to the file's size."""
    source.seek(0)
    if source.read(4) != b"RIFF":
        return None
    source.seek(12)
    rate = 0
    while len(header := source.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            return size / rate if rate and 0 < size < _UNKNOWN_SIZE else None
        if name == b"fmt ":
            rate = struct.unpack("<8xI", source.read(12))[0]
            size -= 12
        source.seek(size + size % 2, 1)
    return None


def _has_frame_count(source: BinaryIO) -> bool:
    """Whether an MP3 file begins with the frame in which encoders note how many frames follow."""
    source.seek(0)
    head = source.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
        source.seek(10 + size)
    else:
        source.seek(0)
    frame = source.read(_TAIL_OF_FIRST_FRAME)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))
