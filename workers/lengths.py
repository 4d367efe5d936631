"""Jobs at work that turn out to be long: they leave room for those that are not.

How long a recording is that has still to be fetched is known only when it was. Whoever took the place beside long ones
and is long itself makes a less urgent one go back to the queue, which finds its finished pieces there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from orchestration.outages import again
from storage.due import DueJobs
from storage.store import Store
from workers.devices import DevicePlaces, KeptDevice

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0


@dataclass
class Lengths:
    """Looks now and then at devices whose places are all taken. ``opened`` is called when a place more is there."""

    store: Store
    places: DevicePlaces
    long_seconds: float
    opened: Callable[[], None]

    async def watch(self) -> None:
        """Look until cancelled."""
        await again(self.look, "the database", LOOK_SECONDS)

    async def look(self) -> None:
        """Learn which are long; ask a run back where long ones have all places."""
        full = [device for device in self.places.devices if device.free <= 0 and self.long_seconds]
        before = self.places.beside
        await self._learn(full)
        if self.places.beside > before:
            self.opened()
        for device in full:
            run_id = device.one_too_many
            if run_id is not None and device.process is not None and device.up:
                log.info("a long job makes room", flow_run_id=str(run_id))
                device.process.ask_back(run_id)

    async def _learn(self, devices: list[KeptDevice]) -> None:
        guests = [guest for device in devices for guest in device.reserved.values() if not guest.long]
        found = await DueJobs(self.store.database).of([guest.job_id for guest in guests if guest.job_id is not None])
        long = {job.job_id for job in found.values() if job.seconds >= self.long_seconds}
        for device in devices:
            for run_id, guest in device.reserved.items():
                if guest.job_id in long:
                    device.reserved[run_id] = replace(guest, long=True)
