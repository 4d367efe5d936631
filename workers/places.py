"""Where a worker's runs go, whatever is behind it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from workers.messages import Ended


class Places(Protocol):
    """Room for runs. A run is reserved before it is claimed, and released when its end was settled."""

    @property
    def free(self) -> int:
        """How many more runs fit now."""

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place."""

    def reserve(self, run_id: UUID) -> bool:
        """Take a place; whether there was one."""

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Run a run that has a place."""

    def renew(self, run_id: UUID) -> None:
        """The device on which the run had its place fails: start its process anew, if it has one that outlives runs."""
