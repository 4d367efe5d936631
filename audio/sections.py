"""Decoded frames through a converter, stretch by stretch: a stream may change its form. In the child only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame

_GROUP = 500_000
"""Samples that go through the resampler at once; faster-whisper's number."""


class Converter(Protocol):
    """Makes frames of one form into frames of another."""

    def convert(self, group: AudioFrame) -> list[AudioFrame]:
        """What is ready after these samples."""

    def flush(self) -> list[AudioFrame]:
        """What was held back."""


def converted(frames: Iterable[AudioFrame], converter: Callable[[AudioFrame], Converter]) -> Iterator[AudioFrame]:
    """The frames, converted. Where the stream changes its rate, layout or sample format, what came before is finished
    and ``converter`` makes a new one for the frame that follows."""
    section: _Section | None = None
    for frame in frames:
        if frame.samples == 0:
            continue
        if section is None or not section.takes(frame):
            if section:
                yield from section.finish()
            section = _Section(frame, converter(frame))
        yield from section.feed(frame)
    if section:
        yield from section.finish()


def plane(frame: AudioFrame, channel: int) -> bytes:
    """The 16-bit samples of one channel of a planar frame, whose planes are padded at their ends."""
    return bytes(memoryview(frame.planes[channel])[: frame.samples * 2])


class _Section:
    """A stretch of frames that are alike."""

    def __init__(self, frame: AudioFrame, converter: Converter) -> None:
        self._likeness = _likeness(frame)
        self._fifo = AudioFifo()
        self._converter = converter

    def takes(self, frame: AudioFrame) -> bool:
        return _likeness(frame) == self._likeness

    def feed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        frame.pts = None  # the FIFO would insist on unbroken time stamps
        self._fifo.write(frame)
        if self._fifo.samples >= _GROUP:
            yield from self._convert()

    def finish(self) -> Iterator[AudioFrame]:
        yield from self._convert()
        yield from self._converter.flush()

    def _convert(self) -> Iterator[AudioFrame]:
        group = self._fifo.read()
        if group is not None:
            yield from self._converter.convert(group)


def _likeness(frame: AudioFrame) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base
