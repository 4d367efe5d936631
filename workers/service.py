"""A worker's life: it checks its pool, serves it, and leaves in good order."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound

from orchestration.beside import beside, end
from orchestration.client import open_client
from orchestration.environment import prefect_settings
from orchestration.events import listen, run_events
from orchestration.outages import Outage
from orchestration.ownership import check_owner
from speech.settings import Settings
from storage.store import Store
from workers.beat import Heart
from workers.dispatch import Dispatcher
from workers.slots import Slots

log = structlog.get_logger(__name__)

TYPE = "world-of-asr"
PREFECT_BEAT_SECONDS = 10
LET_GO_SECONDS = 5.0
CLAIM_SECONDS = 5.0
RETRIES_IN_RUNS = 10
"""How often a run's own calls of Prefect are tried again: a server that restarts must not break the runs."""


class WrongPool(RuntimeError):
    """The work pool is not one that our workers can serve."""


@dataclass
class PoolService:
    """One worker, serving one pool."""

    settings: Settings
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    queues: tuple[str, ...] = ()
    device: str = "cpu"
    models: Callable[[], list[str]] = list
    worker_id: str = field(default_factory=lambda: uuid4().hex)
    slots: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.worker_slots)

    async def serve(self, stop: asyncio.Event) -> None:
        """Take and run runs until ``stop`` is set, then let those in work finish, for ``drain_seconds`` at most.

        Raises:
            WrongPool: when the pool is of another type.

        """
        async with open_client(self.settings) as client:
            if not await self._find_pool(client, stop):
                return
            with prefect_settings(self.settings, {"client.max_retries": RETRIES_IN_RUNS}):
                self.slots.open()
            try:
                await self._serve(client, stop)
            finally:
                self.slots.close()

    async def _serve(self, client: PrefectClient, stop: asyncio.Event) -> None:
        dispatcher = Dispatcher(client, self.settings.work_pool, self.worker_id, self.slots, self.queues)
        async with self._heart(), beside(self._tell_prefect(client)), beside(self._listen(dispatcher)):
            log.info("worker serves", worker=self.name, pool=self.settings.work_pool, slots=self.slots.count)
            serving = asyncio.create_task(dispatcher.serve(stop))
            try:
                await stop.wait()
            finally:
                dispatcher.wake.set()
                await asyncio.wait({serving}, timeout=CLAIM_SECONDS)
                await end(serving)
                await self._leave(dispatcher)

    async def _leave(self, dispatcher: Dispatcher) -> None:
        log.info("worker leaves", worker=self.name, busy=self.slots.busy)
        settled = asyncio.create_task(dispatcher.settle())
        await asyncio.wait({settled}, timeout=self.settings.drain_seconds)
        if not settled.done():
            self.slots.leaving.set()
            await asyncio.wait({settled}, timeout=LET_GO_SECONDS)
        if not settled.done():
            await dispatcher.hand_back()
        await end(settled)

    @asynccontextmanager
    async def _heart(self) -> AsyncIterator[None]:
        store = Store.open(self.settings)
        heart = Heart(self.settings, store, self.slots, self.worker_id, self.name, self.device, self.models)
        await heart.beat()
        try:
            async with beside(heart.go_on()):
                yield
        finally:
            await heart.stop()
            await store.close()

    async def _listen(self, dispatcher: Dispatcher) -> None:
        wanted = run_events("Scheduled", work_pool=self.settings.work_pool)
        await listen(self.settings, wanted, lambda _event: dispatcher.wake.set())

    async def _tell_prefect(self, client: PrefectClient) -> None:
        outage = Outage("Prefect")
        while True:
            try:
                await client.send_worker_heartbeat(self.settings.work_pool, self.name, PREFECT_BEAT_SECONDS)
                outage.over()
            except Exception as reason:  # noqa: BLE001 - a worker outlives every outage
                outage.met(reason)
            await asyncio.sleep(PREFECT_BEAT_SECONDS)

    async def _find_pool(self, client: PrefectClient, stop: asyncio.Event) -> bool:
        """Wait for the pool and check it; False when the worker was stopped before it was there."""
        outage, absent = Outage("Prefect"), Outage(f"work pool {self.settings.work_pool} (`woa deploy` makes it)")
        while not stop.is_set():
            try:
                pool = await client.read_work_pool(self.settings.work_pool)
                check_owner(pool, await self._identity())
            except ObjectNotFound as reason:
                absent.met(reason)
            except Exception as reason:  # noqa: BLE001 - the worker may be started before Prefect is
                outage.met(reason)
            else:
                _check_type(self.settings.work_pool, pool.type)
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        return False

    async def _identity(self) -> str:
        store = Store.open(self.settings)
        try:
            await store.migrate()
            return await store.installation.identity()
        finally:
            await store.close()


def _check_type(pool: str, found: str) -> None:
    if found != TYPE:
        raise WrongPool(
            f"The work pool {pool!r} is of type {found!r}; this worker serves pools of type {TYPE!r}. "
            "Name another pool in WOA_WORK_POOL, or delete this one and run `woa deploy`."
        )
