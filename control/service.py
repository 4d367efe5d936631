"""Control, the role: outbox, watcher and reconciler, played by one process at a time, which holds a lease."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from prefect.client.orchestration import PrefectClient

from control.deliveries import Dispatch
from control.enrolments import EnrolmentDesk
from control.hints import Hints
from control.ingests import IngestDesk
from control.outbox import Outbox
from control.parts import PartDesk
from control.reading import RunReader
from control.reconciler import Reconciler
from control.watcher import Watcher
from orchestration.beside import end
from orchestration.client import open_client
from orchestration.events import listen, run_events
from orchestration.outages import Outage, again
from orchestration.ownership import check_owner
from orchestration.settling import settle_memory
from speech.pools import Routing
from speech.settings import Settings
from storage.store import Store
from storage.wake import CommitSignal

log = structlog.get_logger(__name__)

DEPLOYMENT = "transcribe/transcribe"
DELIVER = "deliver/deliver"
PART = "transcribe-part/part"
INGESTS = "ingest/ingest"
ENROL = "enrol/enrol"
LEASE = "control"
LEASE_SECONDS = 5.0
RENEW_SECONDS = 1.5
LOOK_SECONDS = 1.1
PAGE_SECONDS = 10.0
"""Between two looks, and between two pages of those that wait: together no more than one read a second."""
DELIVER_SECONDS = 0.5
ENROL_SECONDS = 0.8
PART_SECONDS = 0.8
INGEST_SECONDS = 2.0
SCHEDULE_SECONDS = 5.0
COLLECT_SECONDS = 60.0
CHECKPOINT_SECONDS = 5.0
RETRY_SECONDS = 1.0
WAKE_SECONDS = 1.0


async def run_control(
    settings: Settings, stop: asyncio.Event, *, deployment: str = DEPLOYMENT, ingests: str = INGESTS
) -> None:
    """Play control's role, or stand by while another process does, until ``stop`` is set.

    Outages of Prefect and of the database are borne.
    """
    store = Store.open(settings)
    settle_memory()
    standing = asyncio.create_task(Candidate(settings, store, deployment, ingests).stand_by())
    try:
        await stop.wait()
    finally:
        await end(standing)
        await store.close()


@dataclass
class Candidate:
    """A process that would be control."""

    settings: Settings
    store: Store
    deployment: str
    ingests: str = INGESTS
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}")
    _outage: Outage = field(default_factory=lambda: Outage("the database"))

    async def stand_by(self) -> None:
        """Hold office whenever the lease is free, until cancelled."""
        migrated = False
        while True:
            try:
                if not migrated:
                    await self.store.migrate()
                    migrated = True
                asked = time.monotonic()
                if await self.store.leases.acquire(LEASE, self.holder, LEASE_SECONDS):
                    self._outage.over()
                    await self._hold_office(asked)
            except Exception as reason:  # noqa: BLE001 - control outlives every outage
                self._outage.met(reason)
            await asyncio.sleep(RETRY_SECONDS)

    async def _hold_office(self, since: float) -> None:
        log.info("control begins", holder=self.holder)
        working = asyncio.create_task(Office(self.settings, self.store, self.deployment, ingests=self.ingests).work())
        try:
            await self._renew(working, since)
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            with suppress(Exception):
                await self.store.leases.release(LEASE, self.holder)
            log.info("control ends", holder=self.holder)

    async def _renew(self, working: asyncio.Task[None], since: float) -> None:
        """Return when the lease is lost, or may be: it lasts from before it was asked for, first at ``since``."""
        until = since + LEASE_SECONDS
        while not working.done() and time.monotonic() < until:
            await asyncio.wait({working}, timeout=min(RENEW_SECONDS, until - time.monotonic()))
            asked = time.monotonic()
            try:
                if not await self._ask_again(until - asked):
                    return
                until = asked + LEASE_SECONDS
                self._outage.over()
            except Exception as reason:  # noqa: BLE001 - the lease runs out by itself when this lasts
                self._outage.met(reason)

    async def _ask_again(self, within: float) -> bool:
        """Keep the lease; TimeoutError when the database does not say so in time.

        It is not waited for longer than that: SQLite lets go of a busy database only after half a minute.
        """
        asking = asyncio.create_task(self.store.leases.acquire(LEASE, self.holder, LEASE_SECONDS))
        try:
            await asyncio.wait({asking}, timeout=max(within, 0.0))
            if not asking.done():
                raise TimeoutError
            return asking.result()
        finally:
            asking.cancel()


@dataclass
class Office:
    """What the holder of the lease does."""

    settings: Settings
    store: Store
    deployment: str
    deliver: str = DELIVER
    ingests: str = INGESTS
    part: str = PART
    enrol: str = ENROL

    async def work(self) -> None:
        """Do all of it, until cancelled."""
        async with open_client(self.settings) as client, asyncio.TaskGroup() as group:
            group.create_task(again(self._collect, "the database or the storage of files", COLLECT_SECONDS))
            group.create_task(again(self.store.database.checkpoint, "the database", CHECKPOINT_SECONDS))
            routing = Routing.from_settings(self.settings)
            for pool in routing.pools:
                await self._find_pool(client, pool)
            outbox = Outbox(client, self.store, self.deployment, routing)
            reader = RunReader(client, routing.pools)
            watcher = Watcher(reader, self.store)
            parts = PartDesk(client, self.store, reader, routing, self.part)
            dispatch = Dispatch(client, self.store, self.deliver)
            enrolments = EnrolmentDesk(client, self.store, self.enrol)
            reconciler = Reconciler(client, self.store)
            ingests = IngestDesk(client, self.store, self.ingests, self.settings.work_pool)
            hints, acting = Hints(watcher), asyncio.Lock()

            async def look() -> None:
                async with acting:
                    await reconciler.reconcile(await watcher.look())

            identity = await self.store.installation.identity()

            async def page() -> None:
                await reader.find_pools(identity)
                # One at a time: a run that one has sent to the queue may be at work when the other comes to act.
                async with acting:
                    await reconciler.restart_crashed(await watcher.look_at_next_page())
                await watcher.submit_stranded()

            group.create_task(self._send(outbox))
            group.create_task(again(dispatch.send_due, f"Prefect, or its deployment {self.deliver}", DELIVER_SECONDS))
            group.create_task(again(parts.attend, f"Prefect, or its deployment {self.part}", PART_SECONDS))
            group.create_task(again(enrolments.make_runs, f"Prefect, or its deployment {self.enrol}", ENROL_SECONDS))
            group.create_task(again(look, "Prefect or the database, when watching", LOOK_SECONDS))
            group.create_task(again(page, "Prefect or the database, when going through the queue", PAGE_SECONDS))
            group.create_task(again(hints.follow, "Prefect or the database, when following hints", 0.0))
            group.create_task(again(ingests.make_runs, "Prefect or the database, when ingesting", INGEST_SECONDS))
            group.create_task(
                again(ingests.keep_schedules, "Prefect or the database, when scheduling", SCHEDULE_SECONDS)
            )
            group.create_task(listen(self.settings, run_events(work_pool=routing.pools), hints.hear))

    async def _find_pool(self, client: PrefectClient, name: str) -> None:
        """Wait until Prefect has our pool: to a server of others, every job of ours would seem to have lost its run."""
        outage = Outage(f"Prefect, or its work pool {name} (`woa deploy` makes it)")
        while True:
            try:
                pool = await client.read_work_pool(name)
                check_owner(pool, await self.store.installation.identity())
            except Exception as reason:  # noqa: BLE001 - control outlives every outage
                outage.met(reason)
            else:
                outage.over()
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _collect(self) -> None:
        """Delete the bytes of what was deleted: whoever deleted it may have died before that."""
        await self.store.collect()

    async def _send(self, outbox: Outbox) -> None:
        signal = CommitSignal(self.store.database)

        async def send() -> None:
            await signal.wait(WAKE_SECONDS)
            await outbox.empty()

        try:
            await again(send, "Prefect or the database, when submitting", 0.0)
        finally:
            await signal.close()
