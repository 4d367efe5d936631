"""A run that was aboard when a process died runs alone from then on, so that poison is found out by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from speech.settings import Settings
from workers.device import DeviceFailed, DeviceProcess
from workers.messages import Ended
from workers.places import ANYBODY, Guest

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 30.0
"""When a process cannot be started, its run tries again so much later."""


@dataclass
class SuspectPlace:
    """One place for a run that was aboard when a process died: it runs alone, in a process made for it, so that what
    kills its process kills nothing else."""

    settings: Settings
    environment: Mapping[str, str] = field(default_factory=dict)
    _run_id: UUID | None = None
    _process: DeviceProcess | None = None

    @property
    def free(self) -> int:
        """One, or none."""
        return 0 if self._run_id is not None else 1

    @property
    def beside(self) -> int:
        """None."""
        return 0

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The suspect, when there is one."""
        return () if self._run_id is None else (self._run_id,)

    def reserve(self, run_id: UUID, guest: Guest = ANYBODY) -> bool:
        """Take the place."""
        if self._run_id is not None:
            return False
        self._run_id = run_id
        return True

    def release(self, run_id: UUID) -> None:
        """Free it."""
        if self._run_id == run_id:
            self._run_id = None

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Start a process, run it there, and end the process."""
        try:
            self._process = await DeviceProcess.start(self._settings, self.environment)
        except (DeviceFailed, OSError) as reason:
            log.error("the process for a suspect cannot be started", reason=str(reason))
            return Ended(None, wait_seconds=PAUSE_SECONDS)
        try:
            return await self._process.run(run, entrypoint)
        finally:
            await self._process.close()
            self._process = None

    @property
    def _settings(self) -> Settings:
        """Its process loads nothing ahead: beside the ordinary one there may be room for one more model, if that. And
        nobody who listens to people shall meet a process that is expected to die."""
        return self.settings.model_copy(update={"preload_models": [], "engine_connections": 0})

    def leave(self) -> None:
        """Ask for the run back."""
        if self._process is not None and self._process.alive:
            self._process.leave()

    def renew(self, run_id: UUID, *, at_once: bool) -> None:
        """Each run has a new process as it is."""

    def kill_of(self, run_id: UUID, cause: str, *, overdue: bool = False) -> None:
        """Kill its process."""
        if run_id == self._run_id and self._process is not None:
            self._process.kill(cause, overdue=(run_id,) if overdue else ())
