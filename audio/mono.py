"""Decoded frames to mono 16-bit PCM at 16 kHz, bit for bit as faster-whisper makes it. Runs in the child only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import av.error
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

from audio.rate import SAMPLE_RATE
from speech.errors import InvalidAudio

_GROUP = 500_000
"""Samples that go through the resampler at once; faster-whisper's number."""


def mono_pcm(frames: Iterable[AudioFrame]) -> Iterator[bytes]:
    """Little-endian signed 16-bit mono samples at 16 kHz, in pieces of some seconds.

    Where the stream changes its rate, layout or sample format, what came before is finished and a new
    conversion begins.

    Raises:
        InvalidAudio: more channels than can be mixed.

    """
    section: _Section | None = None
    for frame in frames:
        if frame.samples == 0:
            continue
        if section is None or not section.takes(frame):
            if section:
                yield from section.finish()
            section = _Section(frame)
        yield from section.feed(frame)
    if section:
        yield from section.finish()


class _Section:
    """A stretch of frames that are alike."""

    def __init__(self, frame: AudioFrame) -> None:
        self._likeness = _likeness(frame)
        self._fifo = AudioFifo()
        self._converter: _Resampler | _Average = _Resampler()

    def takes(self, frame: AudioFrame) -> bool:
        return _likeness(frame) == self._likeness

    def feed(self, frame: AudioFrame) -> Iterator[bytes]:
        frame.pts = None  # the FIFO would insist on unbroken time stamps
        self._fifo.write(frame)
        if self._fifo.samples >= _GROUP:
            yield from self._convert()

    def finish(self) -> Iterator[bytes]:
        yield from self._convert()
        yield from _pcm(self._converter.flush())

    def _convert(self) -> Iterator[bytes]:
        group = self._fifo.read()
        if group is None:
            return
        try:
            yield from _pcm(self._converter.convert(group))
        except (av.error.ArgumentError, av.error.NotImplementedError):
            # FFmpeg has no rule for mixing this layout down (9 channels, 32 channels): all channels count alike.
            self._converter = _Average(group)
            yield from _pcm(self._converter.convert(group))


class _Resampler:
    """FFmpeg's own mixing rules, as nearly every file goes."""

    def __init__(self) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def convert(self, group: AudioFrame) -> list[AudioFrame]:
        return list(self._resampler.resample(group))

    def flush(self) -> list[AudioFrame]:
        return list(self._resampler.resample(None))


class _Average:
    """All channels in equal parts, for layouts without a rule."""

    def __init__(self, frame: AudioFrame) -> None:
        channels = frame.layout.nb_channels
        try:
            self._graph = _averaging(frame, channels)
        except (av.error.FFmpegError, ValueError) as error:
            raise InvalidAudio(f"The file has {channels} channels, more than can be mixed.") from error

    def convert(self, group: AudioFrame | None) -> list[AudioFrame]:
        self._graph.push(group)
        mixed: list[AudioFrame] = []
        while True:
            try:
                mixed.append(cast(AudioFrame, self._graph.pull()))
            except (av.error.BlockingIOError, EOFError):
                return mixed

    def flush(self) -> list[AudioFrame]:
        return self.convert(None)


def _averaging(frame: AudioFrame, channels: int) -> Graph:
    graph = Graph()
    rule = "mono|c0=" + "+".join(f"{1 / channels:.9f}*c{channel}" for channel in range(channels))
    parts = [
        graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=f"1/{frame.sample_rate}",
        ),
        graph.add("pan", rule),
        graph.add("aformat", sample_rates=str(SAMPLE_RATE), sample_fmts="s16", channel_layouts="mono"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*parts).configure()
    return graph


def _likeness(frame: AudioFrame) -> tuple[Any, ...]:
    return frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base


def _pcm(frames: list[AudioFrame]) -> Iterator[bytes]:
    for frame in frames:
        # The plane is padded at its end.
        yield bytes(memoryview(frame.planes[0])[: frame.samples * 2])
