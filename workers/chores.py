"""Short flows that need no device: threads of the worker's own process, which holds no model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from workers.messages import Ended, Lost
from workers.places import ANYBODY, Guest
from workers.threads import RunThreads

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
QUEUES = {"chores": 2, "deliveries": 4}
"""The work queues that such flows wait in, and the places that each has of its own: what takes hours keeps no webhook
waiting, and who delivers mostly waits for others."""


@dataclass
class ThreadPlaces:
    """Threads of the worker's own process, which holds no model: for short flows that need no device."""

    count: int
    threads: RunThreads
    at_work: set[UUID] = field(default_factory=set)
    """Runs whose threads go on, also when nobody waits for them any more."""
    _reserved: set[UUID] = field(default_factory=set)
    _waiting: dict[UUID, asyncio.Future[Ended]] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """Places left."""
        return self.count - len(self._reserved)

    @property
    def beside(self) -> int:
        """None: chores are neither long nor urgent."""
        return 0

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place."""
        return tuple(self._reserved)

    def reserve(self, run_id: UUID, guest: Guest = ANYBODY) -> bool:
        """Take a place."""
        if self.free <= 0:
            return False
        self._reserved.add(run_id)
        return True

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""
        self._reserved.discard(run_id)

    def renew(self, run_id: UUID, *, at_once: bool) -> None:
        """Threads have no device."""

    async def run(self, run: FlowRun, entrypoint: str) -> Ended:
        """Run it in a thread."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Ended] = loop.create_future()
        self._waiting[run.id] = ended

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
        try:
            return await ended
        finally:
            del self._waiting[run.id]

    async def watch(self) -> None:
        """Leave behind, until cancelled, what hangs: it runs again, and its thread lets go if it ever comes back."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for run_id in self.threads.quiet:
                waiting = self._waiting.get(run_id)
                if waiting is not None and not waiting.done():
                    log.error("a chore hangs and is left behind", flow_run_id=str(run_id))
                    self.threads.ask_back(run_id)
                    waiting.set_result(Ended(None, lost=Lost(1, "its thread hangs")))
