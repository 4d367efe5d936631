"""How long a file says it is. Runs in the child only.

A claim is what the file's own header promises, so that a recording that breaks off can be told. FFmpeg's estimates
from bit rate and file size are no claims, and neither are the sizes that writers leave who could not go back.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.container import InputContainer

_WITH_A_CLAIM = frozenset(
    {
        "mov",
        "mp3",
        "matroska",
        "flac",
        "w64",
        "aiff",
        "au",
        "caf",
        "asf",
        "avi",
        "wv",
        "tta",
        "ape",
        "tak",
        "ogg",
    }
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
    if claim is not None or _kind(container) in _WORTHLESS_ESTIMATES:
        return claim
    return _of_container(container) if stream.duration is None else _of_stream(container, stream, source)


def claimed_duration(container: InputContainer, stream: AudioStream, source: BinaryIO) -> float | None:
    """Seconds of audio that the file's header promises; None when it promises nothing.

    A WAV file promises something only where its data is cut off: in a whole one there is nothing to miss, and the
    byte rates that its lengths are reckoned by are not always right.
    """
    kind = _kind(container)
    if kind == "wav":
        return _of_wav(container, stream, source)
    if kind not in _WITH_A_CLAIM or (kind == "mp3" and not _has_frame_count(source)):
        return None
    claim = _of_stream(container, stream, source)
    return _of_container(container) if claim is None and _is_alone(container, stream) else claim


def _kind(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


def _of_stream(container: InputContainer, stream: AudioStream, source: BinaryIO) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        seconds = _sane(float(stream.duration * stream.time_base))
        return None if seconds and _is_placeholder(container, stream, source, seconds) else seconds
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


def _is_placeholder(container: InputContainer, stream: AudioStream, source: BinaryIO, seconds: float) -> bool:
    """Whether a length of 2 GiB and more stands in the header of a file that does not hold so much."""
    size = seconds * (stream.codec_context.bit_rate or 0) / 8
    return _kind(container) in _PCM_HEADERS and size >= _UNKNOWN_SIZE and size > source.seek(0, 2)


def _of_wav(container: InputContainer, stream: AudioStream, source: BinaryIO) -> float | None:
    cut = _cut_off_data(source)
    if cut is None:
        return None
    return cut.size / cut.byte_rate if cut.byte_rate else _of_stream(container, stream, source)


@dataclass(frozen=True, slots=True)
class _Data:
    """The data chunk of a RIFF file: bytes that its header promises, and bytes a second, 0 where nobody says."""

    size: int
    byte_rate: int


def _cut_off_data(source: BinaryIO) -> _Data | None:
    """The data chunk of a RIFF file that ends before it; None for one that is whole or was never given a size."""
    end = source.seek(0, 2)
    source.seek(12)
    byte_rate = 0
    while len(header := source.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            cut_off = source.tell() + size > end and size < _UNKNOWN_SIZE
            return _Data(size, byte_rate) if cut_off else None
        if name == b"fmt " and len(form := source.read(12)) == 12:
            byte_rate = struct.unpack("<8xI", form)[0]
            size -= len(form)
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
