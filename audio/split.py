"""Any recording to a spool for each of its channels, decoded once, in a process that is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from audio import child
from audio.decode import created
from audio.limits import Limits
from audio.source import opened_source
from audio.spool import Spool

MOST_CHANNELS = 32
"""Channels that are recognised each by itself; one channel can be named of a file of 64."""


def split(
    source: Path,
    folder: Path,
    limits: Limits,
    *,
    only: int | None = None,
    heard: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[int, Spool]:
    """Decode ``source`` to a spool for each channel, by their number from 0; spools appear when they are complete.

    Each channel is resampled as a mono file of it would be. All are equally long: a channel that is not there all the
    time is silent meanwhile.

    Args:
        source: any audio or video file that FFmpeg reads; the first audio track counts.
        folder: where the spools go; it exists.
        limits: what the decoding process may consume.
        only: the one channel that is wanted.
        heard, cancelled: as of `decode.decode`.

    Raises:
        InvalidAudio: also when there are more than 32 channels, or not the one that is wanted.
        StorageFull, JobCancelled, OSError: as of `decode.decode`.

    """
    channels = range(MOST_CHANNELS) if only is None else range(only, only + 1)
    spools = {channel: folder / f"channel-{channel}.pcm" for channel in channels}
    parts = {channel: path.with_name(path.name + ".part") for channel, path in spools.items()}
    try:
        with opened_source(source) as media, ExitStack() as held:
            targets = [held.enter_context(created(part)) for part in parts.values()]
            answer = child.run("split", (media, *targets), limits, heard=heard, cancelled=cancelled, channel=only)
        found = [channel for channel in channels if channel < int(answer["channels"])]
        for channel in found:
            parts[channel].replace(spools[channel])
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return {channel: Spool(spools[channel], int(answer["samples"])) for channel in found}
