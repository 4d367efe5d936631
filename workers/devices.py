"""The devices of a worker, each with a process that is kept up, and a run's way to the one with the most room."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from engine.cuda import find_gpus
from engine.device import detect
from orchestration.beside import end
from speech.settings import Settings
from workers.device import DeviceFailed, DeviceProcess
from workers.messages import Ended, Lost, Pulse
from workers.places import ANYBODY, Guest

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
SETTLED_SECONDS = 60.0
"""A process that lived for so long is replaced at once when it dies."""


def device_environments(settings: Settings) -> tuple[Mapping[str, str], ...]:
    """What to add to the environment of each device process: one a GPU that may be seen, else one for the CPU."""
    if detect(settings).kind != "cuda":
        return ({},)
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = allowed.split(",") if allowed else [str(gpu.index) for gpu in find_gpus()]
    return tuple({"CUDA_VISIBLE_DEVICES": name.strip()} for name in names) or ({},)


@dataclass
class KeptDevice:
    """The process of one device: started before work comes, and again when it dies."""

    settings: Settings
    environment: Mapping[str, str] = field(default_factory=dict)
    process: DeviceProcess | None = None
    reserved: dict[UUID, Guest] = field(default_factory=dict)
    """Who has its places, in the order in which they came."""
    _keeping: asyncio.Task[None] | None = None

    @property
    def free(self) -> int:
        """Places left; none while the process is down."""
        return self.settings.worker_slots - len(self.reserved) if self.up else 0

    @property
    def up(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.alive

    @property
    def beside(self) -> int:
        """One place more, for those that long ones must not keep waiting, while such have places and all are taken."""
        long = any(guest.long for guest in self.reserved.values())
        return int(long and self.up and len(self.reserved) == self.settings.worker_slots)

    @property
    def one_too_many(self) -> UUID | None:
        """The run that came last of those that are to make room, when long ones have even the place beside theirs."""
        guests = self.reserved
        if len(guests) <= self.settings.worker_slots or not all(guest.long for guest in guests.values()):
            return None
        return next((run_id for run_id, guest in reversed(guests.items()) if not guest.urgent), None)

    @property
    def pulse(self) -> Pulse:
        """Its last sign of life."""
        return self.process.pulse if self.process is not None else Pulse()

    async def open(self) -> None:
        """Keep the process up from now on; returns when it is.

        Raises:
            DeviceFailed: when it does not come up the first time.

        """
        self.process = await DeviceProcess.start(self.settings, self.environment)
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Let it end."""
        if self._keeping is not None:
            await end(self._keeping)
        if self.process is not None:
            await self.process.close()

    async def _keep(self) -> None:
        """A process that dies young is not replaced at once each time: what it makes suspects of may be innocent."""
        pause, began = FIRST_PAUSE, time.monotonic()
        while True:
            if self.process is not None:
                await self.process.ended()
                await self.process.close()
            await asyncio.sleep(pause)
            pause = FIRST_PAUSE if time.monotonic() - began > SETTLED_SECONDS else min(LONGEST_PAUSE, pause * 2)
            try:
                self.process, began = await DeviceProcess.start(self.settings, self.environment), time.monotonic()
            except (DeviceFailed, OSError) as reason:
                self.process = None
                log.error("a device process cannot be started", reason=str(reason), again_in_seconds=pause)


@dataclass
class DevicePlaces:
    """All devices of a worker: a run goes to the one with the most room."""

    devices: list[KeptDevice]

    @property
    def count(self) -> int:
        """Places of all devices together."""
        return sum(device.settings.worker_slots for device in self.devices)

    @property
    def free(self) -> int:
        """Places left on all devices that are up."""
        return sum(max(0, device.free) for device in self.devices)

    @property
    def beside(self) -> int:
        """Places that are left beside those of long ones."""
        return sum(device.beside for device in self.devices)

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place."""
        return tuple(run_id for device in self.devices for run_id in device.reserved)

    def reserve(self, run_id: UUID, guest: Guest = ANYBODY) -> bool:
        """Take a place on the emptiest device, or one beside long ones."""
        chosen: KeptDevice | None = max(self.devices, key=lambda device: device.free)
        if chosen is not None and chosen.free <= 0:
            chosen = next((device for device in self.devices if device.beside and guest.light), None)
        if chosen is None:
            return False
        chosen.reserved[run_id] = guest
        return True

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""
        for device in self.devices:
            device.reserved.pop(run_id, None)

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Run it on the device where it has its place."""
        device = next(device for device in self.devices if run.id in device.reserved)
        if device.process is None:
            return Ended(None, lost=Lost(1, "its device is down", forced=True))
        return await device.process.run(run, entrypoint)

    async def open(self) -> None:
        """Start all device processes, beside each other."""
        await asyncio.gather(*(device.open() for device in self.devices))

    async def close(self) -> None:
        """End them."""
        await asyncio.gather(*(device.close() for device in self.devices))

    def leave(self) -> None:
        """Ask for all runs back."""
        for device in self.devices:
            if device.process is not None and device.process.alive:
                device.process.leave()

    def renew(self, run_id: UUID, *, at_once: bool) -> None:
        """Kill the process of the device on which the run has its place; a new one comes. What CUDA has broken in a
        process stays broken there: so a run that meets it there again, after a while, is reason enough by itself."""
        for device in self.devices:
            if run_id in device.reserved and device.process is not None:
                if at_once or run_id in device.process.failed:
                    device.process.kill("its device failed")
                device.process.failed.add(run_id)

    def kill_of(self, run_id: UUID, cause: str, *, overdue: bool = False) -> None:
        """Kill the process that has this run, and with it the other runs of that process: they run again."""
        for device in self.devices:
            # Not by its reservation: a run that is out of its process keeps that until Prefect has heard of its end.
            if device.process is not None and run_id in device.process.runs:
                device.process.kill(cause, overdue=(run_id,) if overdue else ())
