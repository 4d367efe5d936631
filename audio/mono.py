"""Decoded frames to mono 16-bit PCM at 16 kHz, bit for bit as faster-whisper makes it. Runs in the child only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

from audio.rate import SAMPLE_RATE
from audio.sections import converted, plane
from speech.errors import InvalidAudio


def mono_pcm(frames: Iterable[AudioFrame]) -> Iterator[bytes]:
    """Little-endian signed 16-bit mono samples at 16 kHz, in pieces of some seconds.

    Where the stream changes its rate, layout or sample format, what came before is finished and a new
    conversion begins.

    Raises:
        InvalidAudio: more channels than can be mixed.

    """
    for frame in converted(frames, lambda first: _Mixed()):
        yield plane(frame, 0)


class _Mixed:
    """FFmpeg's own mixing rules, or else all channels alike."""

    def __init__(self) -> None:
        self._way: _Resampler | _Average = _Resampler()

    def convert(self, group: AudioFrame) -> list[AudioFrame]:
        try:
            return self._way.convert(group)
        except (av.error.ArgumentError, av.error.NotImplementedError):
            # FFmpeg has no rule for mixing this layout down (9 channels, 32 channels): all channels count alike.
            self._way = _Average(group)
            return self._way.convert(group)

    def flush(self) -> list[AudioFrame]:
        return self._way.flush()


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
