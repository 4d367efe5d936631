"""Any recording to a spool of mono 16 kHz PCM, decoded in a process that is thrown away afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from audio import child
from audio.limits import Limits
from audio.source import opened_source
from audio.spool import Spool
from speech.disks import SPOOL_DISK, disk_error


def decode(
    source: Path,
    spool: Path,
    limits: Limits,
    *,
    heard: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Spool:
    """Decode ``source`` to ``spool``, which appears only when it is complete.

    The samples are those of ``faster_whisper.decode_audio``. A broken packet is left out and decoding goes on; when
    less than nine tenths of what the file promises can be decoded, the file is refused.

    Args:
        source: any audio or video file that FFmpeg reads; the first audio track counts.
        spool: the file to write, mono signed 16-bit little-endian PCM at 16 kHz. Its folder exists.
        limits: what the decoding process may consume.
        heard: told how many seconds of audio are decoded so far, every half minute of audio or so.
        cancelled: asked about ten times a second; True ends the work.

    Raises:
        InvalidAudio: not audio, too long, too damaged, or beyond a limit.
        StorageFull, DiskUnusable: the spool's disk takes no more.
        JobCancelled: ``cancelled`` said so.
        OSError: ``source`` cannot be opened.

    """
    part = spool.with_name(spool.name + ".part")
    try:
        with opened_source(source) as media, created(part) as target:
            answer = child.run("decode", (media, target), limits, heard=heard, cancelled=cancelled)
        part.replace(spool)
    finally:
        part.unlink(missing_ok=True)
    return Spool(spool, int(answer["samples"]))


@contextmanager
def created(path: Path) -> Iterator[int]:
    """A new file, open for writing; StorageFull when there is no room for it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        known = disk_error(error, SPOOL_DISK)
        if known is None:
            raise
        raise known from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
