"""The disposable process that takes channels apart: an open media file in, PCM of each channel into open spools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from io import FileIO
from typing import Any, BinaryIO

from audio.apart import channels_pcm
from audio.claims import claimed_duration
from audio.confine import confine, die_with_parent, say
from audio.decode_main import BYTES_PER_SECOND, answer, check_length, check_whole, write_all
from audio.limits import Limits
from audio.media import Sound, first_audio, opened
from speech.errors import InvalidAudio


def main(order: str) -> None:
    """Take apart what ``order`` (JSON: files, limits, channel) names, and say how it went on standard output."""
    asked = json.loads(order)
    limits = Limits(**asked["limits"])
    die_with_parent(limits.wall_seconds)
    with ExitStack() as held:
        source, *spools = (
            held.enter_context(FileIO(file, "wb" if place else "rb")) for place, file in enumerate(asked["files"])
        )
        confine(limits, writable_bytes=int((limits.max_audio_seconds + 60) * BYTES_PER_SECOND))
        wanted = Wanted(spools, asked["channel"])
        answer(lambda: split_into(source, wanted, limits, lambda seconds: say(heard=seconds)))


class Wanted:
    """Where the samples of the channels go: each to its spool, or those of ``only`` one channel to the first spool."""

    def __init__(self, spools: Sequence[BinaryIO], only: int | None) -> None:
        self._spools = spools
        self._only = only
        self.samples = 0
        self.channels = 0

    def write(self, pieces: Sequence[bytes]) -> None:
        """Write a piece of each channel. A channel that appears late was silent before: its spool keeps a hole."""
        self.channels = max(self.channels, len(pieces))
        if self._only is None and self.channels > len(self._spools):
            raise InvalidAudio(
                f"The file has {self.channels} channels; at most {len(self._spools)} can be recognised each by itself: "
                "name one of them, or leave them mixed."
            )
        chosen = pieces if self._only is None else pieces[self._only : self._only + 1]
        for spool, piece in zip(self._spools, chosen, strict=False):
            spool.seek(self.samples * 2)
            write_all(spool, piece)
        self.samples += len(pieces[0]) // 2

    def finish(self) -> None:
        """Make all spools equally long.

        Raises:
            InvalidAudio: there is no sound, or no such channel.

        """
        if not self.samples:
            raise InvalidAudio("The file's audio track holds no sound.")
        if self._only is not None and self._only >= self.channels:
            count = "one channel" if self.channels == 1 else f"{self.channels} channels"
            raise InvalidAudio(
                f"The file has {count}, and so no channel {self._only}: the first one is channel 0. "
                "Name one that there is, or leave them mixed."
            )
        for spool in self._spools[: 1 if self._only is not None else self.channels]:
            spool.truncate(self.samples * 2)


def split_into(source: BinaryIO, wanted: Wanted, limits: Limits, heard: Callable[[float], None]) -> dict[str, Any]:
    """Decode ``source`` once, window by window, into all the spools; how many samples and channels that are.

    Raises:
        InvalidAudio: no audio in it, too long, too little of what it promises can be decoded, or not the channels
            that were asked for.
        StorageFull: a spool takes no more bytes.

    """
    with opened(source) as container:
        stream = first_audio(container)
        sound = Sound(container, stream)
        _write(channels_pcm(sound.frames()), wanted, limits.max_audio_seconds, heard)
        promised = claimed_duration(container, stream, source)
    check_whole(sound, promised)
    wanted.finish()
    return {"samples": wanted.samples, "channels": wanted.channels}


def _write(windows: Iterable[Sequence[bytes]], wanted: Wanted, longest: float, heard: Callable[[float], None]) -> None:
    for pieces in windows:
        check_length(wanted.samples * 2 + len(pieces[0]), longest)
        wanted.write(pieces)
        heard(wanted.samples * 2 / BYTES_PER_SECOND)
