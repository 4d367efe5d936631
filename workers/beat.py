"""A worker's sign of life in the database: what health checks show, and what control takes a missing one to mean."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from orchestration.outages import Outage
from speech.clock import now
from speech.settings import Settings
from storage.store import Store
from storage.workers import WorkerBeat
from workers.slots import Slots

BEAT_SECONDS = 2.0


@dataclass
class Heart:
    """Beats for one worker."""

    settings: Settings
    store: Store
    slots: Slots
    worker_id: str
    name: str
    device: str = "cpu"
    models: Callable[[], list[str]] = list
    started_at: datetime = field(default_factory=now)
    _outage: Outage = field(default_factory=lambda: Outage("the database"))

    async def go_on(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> None:
        """Beat once; a database that does not answer is borne."""
        try:
            await self.store.workers.beat(self._beat())
            self._outage.over()
        except Exception as reason:  # noqa: BLE001 - a worker outlives every outage
            self._outage.met(reason)

    async def stop(self) -> None:
        """Say that the worker has gone."""
        try:
            await self.store.workers.gone(self.worker_id)
        except Exception as reason:  # noqa: BLE001 - the beat is missed instead
            self._outage.met(reason)

    def _beat(self) -> WorkerBeat:
        return WorkerBeat(
            worker_id=self.worker_id,
            name=self.name,
            host=socket.gethostname(),
            pool=self.settings.work_pool,
            device=self.device,
            slots=self.slots.count,
            busy=self.slots.busy,
            started_at=self.started_at,
            details={
                "pid": os.getpid(),
                "version": own_version(),
                "models": self.models(),
                "runs": [str(run_id) for run_id in self.slots.runs],
            },
        )


def own_version() -> str:
    """The version of this program, ``unknown`` when it runs from files that were not installed."""
    try:
        return version("world-of-asr")
    except PackageNotFoundError:
        return "unknown"
