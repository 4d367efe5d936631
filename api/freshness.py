"""Whether what the database says of running jobs is what Prefect says."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from speech.clock import now
from speech.jobs import Job
from storage.store import Store

KEPT_SECONDS = 0.25
STALE_AFTER = timedelta(seconds=3)
"""Control reads Prefect every second; a status may be stale when it has not for so long."""


class Freshness:
    """When control last read Prefect, asked at most every ``KEPT_SECONDS``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read_at: datetime | None = None
        self._until = 0.0

    async def silent_since(self) -> datetime | None:
        """When Prefect was last read, if that is too long ago; None while it is read as it should."""
        read_at = await self._last_read()
        if read_at is not None and now() - read_at <= STALE_AFTER:
            return None
        return read_at or datetime.min.replace(tzinfo=now().tzinfo)

    async def stale_since(self, job: Job) -> datetime | None:
        """Since when the job's status may have changed unseen; a finished job's does not change by itself."""
        if job.status.finished:
            return None
        silent = await self.silent_since()
        return None if silent is None else max(silent, job.created_at)

    async def _last_read(self) -> datetime | None:
        if time.monotonic() >= self._until:
            self._read_at = await self._store.jobs.read_at()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._read_at
