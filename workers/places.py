"""Where a worker's runs go, whatever is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from workers.messages import Ended


@dataclass(frozen=True, slots=True)
class Guest:
    """Who has a place, or wants one. ``long`` as far as that is known: a recording that is still to be fetched is not.

    A run of no job is neither, unless its queue is the urgent one: then somebody waits for it, who enrols a voice.
    """

    job_id: str | None = None
    urgent: bool = False
    long: bool = False

    @property
    def light(self) -> bool:
        """Whether long ones must not keep it waiting."""
        return self.urgent or (self.job_id is not None and not self.long)


ANYBODY = Guest()


class Places(Protocol):
    """Room for runs. A run is reserved before it is claimed, and released when its end was settled."""

    @property
    def free(self) -> int:
        """How many more runs fit now."""

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place."""

    @property
    def beside(self) -> int:
        """How many more fit of those that long ones must not keep waiting, when all other places are taken."""

    def reserve(self, run_id: UUID, guest: Guest = ANYBODY) -> bool:
        """Take a place; whether there was one."""

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Run a run that has a place."""

    def renew(self, run_id: UUID, *, at_once: bool) -> None:
        """The run met its device failing: start the device's process anew, if it has one that outlives runs; at once,
        or when the same run met that there before."""
