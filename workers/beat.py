"""A worker's sign of life in the database: what health checks show, and what control takes a missing one to mean."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from orchestration.outages import Outage
from speech.clock import now
from storage.store import Store
from storage.workers import WorkerBeat
from workers.affinity import Affinity
from workers.devices import KeptDevice

if TYPE_CHECKING:
    from workers.service import PoolService

BEAT_SECONDS = 2.0
PATIENCE_SECONDS = 6.0
"""A beat that PostgreSQL has not taken by then is given up: the next one goes another way, before it is missed."""


@dataclass
class Heart:
    """Beats for one worker."""

    service: PoolService
    store: Store
    affinity: Affinity
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
            async with asyncio.timeout(None if self.store.database.sqlite else PATIENCE_SECONDS):
                await self.store.workers.beat(self._beat())
            self._outage.over()
        except Exception as reason:  # noqa: BLE001 - a worker outlives every outage
            self._outage.met(reason)

    async def stop(self) -> None:
        """Say that the worker has gone."""
        try:
            await self.store.workers.gone(self.service.worker_id)
        except Exception as reason:  # noqa: BLE001 - the beat is missed instead
            self._outage.met(reason)

    def _beat(self) -> WorkerBeat:
        service, devices = self.service, self.service.devices.devices
        return WorkerBeat(
            worker_id=service.worker_id,
            name=service.name,
            host=socket.gethostname(),
            pool=service.settings.work_pool,
            device=", ".join(device.process.device for device in devices if device.process is not None),
            slots=service.devices.count,
            busy=len(service.devices.runs),
            started_at=self.started_at,
            details={
                "pid": os.getpid(),
                "version": own_version(),
                "models": sorted({model for device in devices for model in device.pulse.models}),
                "runs": [str(run_id) for run_id in service.runs],
                "trouble": service.condition.shown(),
                "warm": list(self.affinity.warm),
                "affinity": {"claims": self.affinity.claims, "hits": self.affinity.hits},
                "devices": [_shown(device) for device in devices],
            },
        )


def _shown(device: KeptDevice) -> dict[str, Any]:
    """A device process, for people, for whoever gathers metrics, and for live servers (engine/doors.py)."""
    alive = device.process is not None and device.process.alive
    pid = device.process.process.pid if device.process is not None else None
    socket = device.process.socket if device.process is not None and alive else None
    return {"pid": pid, "alive": alive, "socket": socket, "busy": len(device.reserved), **asdict(device.pulse)}


def own_version() -> str:
    """The version of this program, ``unknown`` when it runs from files that were not installed."""
    try:
        return version("world-of-asr")
    except PackageNotFoundError:
        return "unknown"
