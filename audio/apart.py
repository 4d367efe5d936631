"""Decoded frames to 16-bit PCM at 16 kHz, each channel by itself. Runs in the child only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from audio.rate import SAMPLE_RATE
from audio.sections import converted, plane
from speech.errors import InvalidAudio


def channels_pcm(frames: Iterable[AudioFrame]) -> Iterator[list[bytes]]:
    """Little-endian signed 16-bit samples at 16 kHz of each channel, in pieces of some seconds; all of the same length.

    A mono stream gives the bytes of `mono.mono_pcm`. Where the stream changes its layout, the number of channels may
    change with it.

    Raises:
        InvalidAudio: more channels than FFmpeg can take apart.

    """
    for frame in converted(frames, _Apart):
        yield [plane(frame, channel) for channel in range(frame.layout.nb_channels)]


class _Apart:
    """Another rate and sample format, the same channels."""

    def __init__(self, first: AudioFrame) -> None:
        self._channels = first.layout.nb_channels
        self._resampler = AudioResampler(format="s16p", layout=first.layout, rate=SAMPLE_RATE)

    def convert(self, group: AudioFrame) -> list[AudioFrame]:
        try:
            return list(self._resampler.resample(group))
        except (av.error.ArgumentError, av.error.NotImplementedError) as error:
            raise InvalidAudio(f"The file has {self._channels} channels, more than can be taken apart.") from error

    def flush(self) -> list[AudioFrame]:
        return list(self._resampler.resample(None))
