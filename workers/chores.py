"""Short flows that need no device: threads of the worker's own process, which holds no model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from workers.messages import Ended
from workers.threads import RunThreads

log = structlog.get_logger(__name__)

QUEUES = ("chores", "deliveries")
"""The work queues that such flows wait in. Each has places of its own: what takes hours keeps no webhook waiting."""


@dataclass
class ThreadPlaces:
    """Threads of the worker's own process, which holds no model: for short flows that need no device."""

    count: int
    threads: RunThreads
    at_work: set[UUID] = field(default_factory=set)
    """Runs whose threads go on, also when nobody waits for them any more."""
    _reserved: set[UUID] = field(default_factory=set)

    @property
    def free(self) -> int:
        """Places left."""
        return self.count - len(self._reserved)

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place."""
        return tuple(self._reserved)

    def reserve(self, run_id: UUID) -> bool:
        """Take a place."""
        if self.free <= 0:
            return False
        self._reserved.add(run_id)
        return True

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""
        self._reserved.discard(run_id)

    def renew(self, run_id: UUID) -> None:
        """Threads have no device."""

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Run it in a thread."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Ended] = loop.create_future()

        def settle(outcome: Ended) -> None:
            if not ended.done():
                ended.set_result(outcome)

        def done(outcome: Ended) -> None:
            self.at_work.discard(run.id)
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:
                # The worker has left meanwhile and closed its loop: nobody waits for this outcome any more.
                log.debug("a run ended after its worker had left")

        self.at_work.add(run.id)
        self.threads.start(run, entrypoint, done)
        return await ended
