"""What an upload holds: a look at its head, in a disposable subprocess, a few at a time.

Blobs in a bucket are copied to the spool first. Of a large one only the two ends are, the hole between them costing no
disk. MP4 and QuickTime have an index that may stand anywhere: where the two ends give no sound, the whole is copied.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog
from anyio import to_thread

from audio.limits import Limits
from audio.probe import Probe, probe_async
from speech.errors import InvalidAudio, StorageFull
from speech.settings import Settings
from storage.blobs import Blobs

_AT_ONCE = 4
_HEAD_BYTES = 64 * 1024 * 1024
_TAIL_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
_PREFIX = "probe-"
_STALE_SECONDS = 3600.0
_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
"""What MP4 and QuickTime begin with, after the length of it."""
_log = structlog.get_logger("api.prober")


class Prober:
    """Looks at stored blobs. One instance an app."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._blobs = blobs
        self._spool = settings.spool
        self._longest = settings.max_audio_seconds
        self._limits = Limits.for_probing(settings)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._whole = asyncio.Lock()  # two that measure the same free room could not both have it

    async def probe(self, key: str) -> Probe:
        """What the blob's head says of the audio.

        Raises:
            InvalidAudio: there is none that can be decoded, or it lasts longer than this server takes.
            StorageFull: the spool has no room for the copy that it takes to look.

        """
        async with self._turns:
            path = await to_thread.run_sync(self._blobs.local_path, key)
            found = await (self._probe_copy(key) if path is None else probe_async(path, self._limits))
        if found.duration is not None and found.duration > self._longest:
            raise InvalidAudio(
                f"The recording lasts {found.duration:.0f} seconds; this server takes {self._longest:g} at most."
            )
        return found

    def sweep(self) -> None:
        """Remove the copies of processes that were killed: those that nobody has touched for an hour."""
        for folder in self._spool.glob(f"{_PREFIX}*"):
            if _is_stale(folder):
                shutil.rmtree(folder, ignore_errors=True)
                _log.info("stale copy removed", folder=folder.name)

    async def _probe_copy(self, key: str) -> Probe:
        folder = await to_thread.run_sync(self._new_folder)
        copy = folder / "audio"
        try:
            partial = await to_thread.run_sync(self._copy_ends, key, copy)
            try:
                return await probe_async(copy, self._limits)
            except InvalidAudio:
                if not partial or not _has_boxes(copy):
                    raise
            async with self._whole:
                await to_thread.run_sync(self._copy_whole, key, copy)
                found = await probe_async(copy, self._limits)
                await to_thread.run_sync(copy.unlink)
            return found
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _new_folder(self) -> Path:
        with _room_or_refusal():
            self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._spool))

    def _copy_ends(self, key: str, copy: Path) -> bool:
        """Copy the blob's head and tail to where they are in it; whether anything lies between them."""
        size = self._blobs.size(key)
        partial = size > _HEAD_BYTES + _TAIL_BYTES
        with self._blobs.open(key) as source, _room_or_refusal(), copy.open("wb") as target:
            _copy(source, target, _HEAD_BYTES if partial else size)
            if partial:
                source.seek(size - _TAIL_BYTES)
                target.seek(size - _TAIL_BYTES)
                _copy(source, target, _TAIL_BYTES)
        return partial

    def _copy_whole(self, key: str, copy: Path) -> None:
        copy.unlink()
        size = self._blobs.size(key)
        if size > shutil.disk_usage(self._spool).free:
            raise StorageFull(
                f"The disk of the spool has no room for the {size} bytes of this recording, whose index does not stand "
                "at its beginning; free some room, or send the recording with its index first (faststart)."
            )
        with _room_or_refusal():
            self._blobs.get(key, copy)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0 and (block := source.read(min(size, _BLOCK_BYTES))):
        target.write(block)
        size -= len(block)


def _is_stale(folder: Path) -> bool:
    try:
        touched = max(path.stat().st_mtime for path in (folder, *folder.glob("*")))
    except FileNotFoundError:  # its own process has just removed it
        return False
    return time.time() - touched > _STALE_SECONDS


def _has_boxes(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] in _BOXES


@contextmanager
def _room_or_refusal() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull("The disk of the spool is full; free some room and send the upload again.") from error
        raise
