"""Opening media whose bytes nobody vouches for. Runs in the child only: it imports PyAV.

FFmpeg gets an open file, never a name, and formats that lead elsewhere (playlists, session descriptions, devices,
numbered images) are not among those it may recognise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Never

import av
import av.error
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV imports these two when a file is opened, which is too late: see confine
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from speech.errors import InvalidAudio

LEADING_ELSEWHERE = frozenset(
    {
        *("hls", "applehttp", "concat", "dash", "imf", "webm_dash_manifest", "sdp", "rtsp", "rtp", "sap"),
        *("image2", "lavfi", "vobsub", "alsa", "oss", "fbdev", "kmsgrab", "x11grab", "video4linux2", "v4l2"),
    }
)
"""Demuxers that open more than the file they are given."""

_PLAYLIST_MARKS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"[playlist]", b"#EXTINF")
_FAILURES_IN_A_ROW = 16
"""So many times the container may fail to give a packet before the rest of the file is given up."""


@contextmanager
def opened(source: BinaryIO) -> Iterator[InputContainer]:
    """The media in an open file.

    Raises:
        InvalidAudio: FFmpeg does not recognise it, or it only points to media elsewhere.

    """
    av.logging.set_level(av.logging.PANIC)
    formats = ",".join(sorted(set(av.formats_available) - LEADING_ELSEWHERE))
    options = {"format_whitelist": formats, "protocol_whitelist": "none"}
    try:
        container = av.open(source, mode="r", metadata_errors="ignore", options=options, io_open=_refuse)
    except (MemoryError, InvalidAudio):
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidAudio(_why_unreadable(source)) from error
    with container:
        yield container


def _refuse(url: str, flags: int, options: dict[str, str]) -> Never:
    raise InvalidAudio("The file points to other files or addresses, which are not opened: send the audio itself.")


def _why_unreadable(source: BinaryIO) -> str:
    source.seek(0)
    head = source.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(_PLAYLIST_MARKS):
        return "The file is a playlist or description, which only points to audio: send the audio itself."
    return "The file is no audio or video that can be read, or its beginning or index is damaged or cut off."


def first_audio(container: InputContainer) -> AudioStream:
    """The first audio stream that there is a decoder for; InvalidAudio when there is none."""
    streams = container.streams.audio
    if not streams:
        raise InvalidAudio("The file has no audio track.")
    for stream in streams:
        if stream.codec_context is not None:
            return stream
    raise InvalidAudio("The file's audio track is in a codec that cannot be decoded.")


class Sound:
    """The decoded frames of one stream; a broken packet is left out and the next one tried.

    Attributes:
        decoded: seconds of audio given so far.
        reached: where in the recording the newest frame ends, by its time stamp, in seconds.
        broken_at: seconds that were decoded when the first packet broke, None while none did.

    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self.decoded = 0.0
        self.reached = 0.0
        self.broken_at: float | None = None

    def frames(self) -> Iterator[AudioFrame]:
        """Every frame that decodes, in order."""
        for packet in self._packets():
            try:
                frames: list[Any] = packet.decode()
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self._note_damage()
                continue
            for frame in frames:
                self._note(frame)
                yield frame

    def _packets(self) -> Iterator[Any]:
        failures = 0
        while failures < _FAILURES_IN_A_ROW:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self._note_damage()
                failures += 1

    def _note(self, frame: AudioFrame) -> None:
        length = frame.samples / frame.sample_rate
        self.decoded += length
        if frame.pts is not None and frame.time_base:
            self.reached = max(self.reached, float(frame.pts * frame.time_base) + length)

    def _note_damage(self) -> None:
        if self.broken_at is None:
            self.broken_at = self.decoded
