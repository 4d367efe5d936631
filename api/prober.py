"""What an upload holds: a look at its head, in a disposable subprocess, a few at a time."""

from __future__ import annotations

import asyncio
import errno
import secrets
from pathlib import Path

from anyio import to_thread

from audio.limits import Limits
from audio.probe import Probe, probe_async
from speech.errors import InvalidAudio, StorageFull
from speech.settings import Settings
from storage.blobs import Blobs

_AT_ONCE = 4


class Prober:
    """Looks at stored blobs. One instance an app."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._blobs = blobs
        self._spool = settings.spool
        self._longest = settings.max_audio_seconds
        self._limits = Limits.for_probing(settings)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def probe(self, key: str) -> Probe:
        """What the blob's head says of the audio.

        Raises:
            InvalidAudio: there is none that can be decoded, or it lasts longer than this server takes.

        """
        async with self._turns:
            path = await to_thread.run_sync(self._blobs.local_path, key)
            found = await (self._probe_copy(key) if path is None else probe_async(path, self._limits))
        if found.duration is not None and found.duration > self._longest:
            raise InvalidAudio(
                f"The recording lasts {found.duration:.0f} seconds; this server takes {self._longest:g} at most."
            )
        return found

    async def _probe_copy(self, key: str) -> Probe:
        copy = self._spool / f"probe-{secrets.token_hex(8)}"
        try:
            await to_thread.run_sync(self._fetch, key, copy)
            return await probe_async(copy, self._limits)
        finally:
            copy.unlink(missing_ok=True)

    def _fetch(self, key: str, copy: Path) -> None:
        try:
            self._spool.mkdir(parents=True, exist_ok=True)
            self._blobs.get(key, copy)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("The disk of the spool is full; free some room and send the upload again.") from error
            raise
