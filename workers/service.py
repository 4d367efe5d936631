"""A worker's life: it checks its pool, starts its device processes, serves the pool, and leaves in good order."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

import structlog
from prefect.client.orchestration import PrefectClient
from prefect.events import Event
from prefect.exceptions import ObjectNotFound

from orchestration.beside import beside, end
from orchestration.client import open_client
from orchestration.events import listen, queue_of, run_events
from orchestration.internals import flow_run_id_of_event
from orchestration.outages import Outage, again
from orchestration.ownership import check_owner
from orchestration.settling import settle_memory
from speech.limits import Limits
from speech.settings import Settings
from storage.store import Store
from workers.affinity import Affinity
from workers.announced import Announced
from workers.backlog import Backlog
from workers.beat import Heart
from workers.cancelling import Enforcer
from workers.chores import QUEUES, ThreadPlaces
from workers.condition import Condition
from workers.devices import DevicePlaces, KeptDevice, device_environments
from workers.dispatch import Dispatcher
from workers.lengths import Lengths
from workers.queues import ServedQueues
from workers.suspects import SuspectPlace
from workers.threads import RunThreads

log = structlog.get_logger(__name__)

TYPE = "world-of-asr"
PREFECT_BEAT_SECONDS = 10
LET_GO_SECONDS = 5.0
CLAIM_SECONDS = 5.0


class WrongPool(RuntimeError):
    """The work pool is not one that our workers can serve."""


@dataclass
class PoolService:
    """One worker, serving one pool. ``queues`` are all of the pool's when none are named."""

    settings: Settings
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    queues: tuple[str, ...] = ()
    worker_id: str = field(default_factory=lambda: uuid4().hex)
    devices: DevicePlaces = field(init=False)
    suspect: SuspectPlace = field(init=False)
    threads: RunThreads = field(init=False)
    chores: dict[str, ThreadPlaces] = field(init=False)
    """The places of each queue of chores."""
    condition: Condition = field(default_factory=Condition, init=False)

    def __post_init__(self) -> None:
        environments = device_environments(self.settings)
        self.devices = DevicePlaces([KeptDevice(self.settings, environment) for environment in environments])
        self.suspect = SuspectPlace(self.settings, environments[0])
        self.threads = RunThreads(self.settings)
        self.chores = {queue: ThreadPlaces(count, self.threads) for queue, count in QUEUES.items()}

    @property
    def chores_at_work(self) -> set[UUID]:
        """Runs of chores whose threads go on."""
        return {run_id for places in self.chores.values() for run_id in places.at_work}

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs that have a place here."""
        chores = (run_id for places in self.chores.values() for run_id in places.runs)
        return (*self.devices.runs, *self.suspect.runs, *chores)

    async def serve(self, stop: asyncio.Event) -> None:
        """Take and run runs until ``stop`` is set, then let those in work finish, for ``drain_seconds`` at most.

        Raises:
            WrongPool: when the pool is of another type.
            DeviceFailed: when a device process does not come up.

        """
        async with open_client(self.settings) as client, AsyncExitStack() as held:
            store = Store.open(self.settings)
            held.push_async_callback(store.close)
            self.threads.open()
            held.callback(self.threads.close)
            held.push_async_callback(self.devices.close)
            # Processes take seconds to start, and Prefect may take longer: beside each other.
            starting = await held.enter_async_context(beside(self.devices.open()))
            if await self._find_pool(client, store, stop):
                await starting
                settle_memory()
                await self._serve(client, store, stop)

    async def _serve(self, client: PrefectClient, store: Store, stop: asyncio.Event) -> None:
        affinity = Affinity(store, self.worker_id, self.settings.work_pool, self.settings.model_idle_seconds)
        leaving = asyncio.Event()
        pool = self.settings.work_pool
        queues = ServedQueues(client, pool, self.queues)
        jobs = Dispatcher(
            client,
            store,
            pool,
            self.worker_id,
            queues.of_jobs,
            self.devices,
            self.suspect,
            affinity,
            Backlog(
                client,
                store,
                pool,
                by_model=bool(self.settings.pool_routes or self.settings.model_jobs_at_once),
                long_seconds=self.settings.long_job_seconds,
                open_queues=queues.unhindered,
            ),
            Limits.from_settings(self.settings),
            Announced(client, pool, lambda: queues.unhindered(queues.of_jobs())),
            self.condition,
            self.settings.long_job_seconds,
            leaving,
        )
        dispatchers = [jobs]
        for queue, places in self.chores.items():
            served = partial(queues.of_chores, queue)
            dispatchers.append(Dispatcher(client, store, pool, self.worker_id, served, places, leaving=leaving))
        wake = partial(_wake, dispatchers)
        announce = partial(_announce, dispatchers)
        enforcer = Enforcer(store, jobs, self.settings.cancel_grace_seconds, (self.devices, self.suspect))
        lengths = Lengths(store, self.devices, self.settings.long_job_seconds, jobs.wake.set)
        beats = (self._tell_prefect(client), queues.watch(wake), self._listen(announce))
        async with self._heart(store, affinity), AsyncExitStack() as held:
            watches = (places.watch() for places in self.chores.values())
            for work in (*beats, enforcer.watch(), lengths.watch(), *watches):
                await held.enter_async_context(beside(work))
            log.info("worker serves", worker=self.name, pool=pool, slots=self.devices.count)
            serving = [asyncio.create_task(dispatcher.serve(stop)) for dispatcher in dispatchers]
            try:
                await stop.wait()
            finally:
                await self._leave(dispatchers, serving, leaving)

    async def _leave(
        self, dispatchers: list[Dispatcher], serving: list[asyncio.Task[None]], leaving: asyncio.Event
    ) -> None:
        log.info("worker leaves", worker=self.name, busy=len(self.devices.runs))
        _wake(dispatchers)
        await asyncio.wait(serving, timeout=CLAIM_SECONDS)
        for task in serving:
            await end(task)
        settled = asyncio.gather(*(dispatcher.settle() for dispatcher in dispatchers))
        await asyncio.wait({settled}, timeout=self.settings.drain_seconds)
        if not settled.done():
            leaving.set()
            self.devices.leave()
            self.suspect.leave()
            self.threads.leaving.set()
            await asyncio.wait({settled}, timeout=LET_GO_SECONDS)
        if not settled.done():
            await asyncio.gather(*(dispatcher.hand_back() for dispatcher in dispatchers))
        await settled

    @asynccontextmanager
    async def _heart(self, store: Store, affinity: Affinity) -> AsyncIterator[None]:
        heart = Heart(self, store, affinity)
        await heart.beat()
        try:
            async with beside(heart.go_on()):
                yield
        finally:
            await heart.stop()

    async def _listen(self, announce: Callable[[Event], None]) -> None:
        wanted = run_events("Scheduled", work_pool=self.settings.work_pool)
        await listen(self.settings, wanted, announce)

    async def _tell_prefect(self, client: PrefectClient) -> None:
        async def beat() -> None:
            await client.send_worker_heartbeat(self.settings.work_pool, self.name, PREFECT_BEAT_SECONDS)

        await again(beat, "Prefect", PREFECT_BEAT_SECONDS)

    async def _find_pool(self, client: PrefectClient, store: Store, stop: asyncio.Event) -> bool:
        """Wait for the pool and check it; False when the worker was stopped before it was there."""
        outage, absent = Outage("Prefect"), Outage(f"work pool {self.settings.work_pool} (`woa deploy` makes it)")
        while not stop.is_set():
            try:
                pool = await client.read_work_pool(self.settings.work_pool)
                await store.migrate()
                check_owner(pool, await store.installation.identity())
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


def _wake(dispatchers: Iterable[Dispatcher]) -> None:
    for dispatcher in dispatchers:
        dispatcher.wake.set()


def _announce(dispatchers: Iterable[Dispatcher], event: Event) -> None:
    """Tell those who serve its queue that a run waits: each asks Prefect, which does one thing after the other."""
    queue, run_id = queue_of(event), flow_run_id_of_event(event.resource.id)
    for dispatcher in dispatchers:
        if queue is None or queue in dispatcher.queues():
            dispatcher.hear(run_id, queue)


def _check_type(pool: str, found: str) -> None:
    if found != TYPE:
        raise WrongPool(
            f"The work pool {pool!r} is of type {found!r}; this worker serves pools of type {TYPE!r}. "
            "Name another pool in WOA_WORK_POOL, or delete this one and run `woa deploy`."
        )
