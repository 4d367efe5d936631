"""Removing what has had its time, and saying how much that was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from orchestration.client import open_client
from orchestration.handover import asked_to_leave
from orchestration.old_runs import remove_old_runs
from orchestration.wanted import Wish
from pipeline.runtime import Runtime
from pipeline.spools import SpoolFolder
from speech.clock import now
from speech.pools import Routing
from storage.garbage import Removed
from storage.oversight import Oversight
from tasks.current import current

log = structlog.get_logger(__name__)

ARTIFACT = "clean-up"
STOP_SECONDS = 1.0
"""How often a part that goes on looks whether it is to stop."""


@flow(name="clean_up", persist_result=False, validate_parameters=False, log_prints=False)
def clean_up() -> State[Any]:
    """Remove expired results, unused uploads, old steps and logs, orphans, old rows, old spools and old runs.

    Again, or twice at once, it does no harm: everybody asks before each removal whether it is still due.
    """
    runtime = current()
    sweep = Sweep(runtime, Wish(runtime.settings, UUID(str(flow_run.id))))
    report = runtime.loop.wait(sweep.all())
    log.info("cleaned up", **{name: removed.count for name, removed in report.removed.items()}, bytes=report.size)
    table = [{"what": name, "removed": part.count, "bytes": part.size} for name, part in report.removed.items()]
    create_table_artifact(table=table, key=ARTIFACT, description="What was removed.")
    if report.stopped:
        return Cancelled(message="The rest is due next time.")
    if report.failed:
        return Failed(message=f"Not done, and due again next time: {', '.join(report.failed)}.")
    return Completed(message="Done.")


class Stopped(Exception):
    """A part was broken off."""


@dataclass
class Report:
    """What went, the names of the parts that did not get through, and whether somebody cancelled the rest."""

    removed: dict[str, Removed] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def size(self) -> int:
        """All bytes that went."""
        return sum(removed.size for removed in self.removed.values())


@dataclass
class Sweep:
    """One clean-up, part by part; one that fails does not keep the others from their work."""

    runtime: Runtime
    wish: Wish | None = None
    report: Report = field(default_factory=Report)

    async def all(self) -> Report:
        """Do all parts that the settings ask for. Rows go first, then the bytes that they let go of."""
        store, settings = self.runtime.store, self.runtime.settings
        clearance = store.clearance
        await self._pages("expired_results", clearance.expire_results)
        await self._pages_before("unused_files", settings.unused_files_kept_seconds, clearance.drop_unused_files)
        kept = settings.steps_kept_seconds
        await self._pages_before("steps", kept, clearance.forget_old_steps)
        await self._pages("parts_of_voices", clearance.forget_parts_of_voices)
        await self._pages_before("progress", kept, clearance.forget_old_progress)
        await self._pages_before("deliveries", kept, clearance.forget_deliveries)
        await self._pages_before("ingest_runs", kept, clearance.forget_ingest_runs)
        await self._part("blobs", lambda: store.garbage.collect(weigh=True))
        await self._part("orphans", lambda: store.orphans.sweep(_ago(settings.orphans_kept_seconds)))
        await self._counted("idempotency_keys", clearance.forget_answers)
        await self._counted("workers", clearance.forget_workers)
        await self._counted("spools", lambda: asyncio.to_thread(SpoolFolder.sweep, settings.spool))
        if settings.flow_runs_kept_seconds:
            await self._counted("flow_runs", self._remove_runs)
        return self.report

    async def _remove_runs(self) -> int:
        settings = self.runtime.settings
        before = _ago(settings.flow_runs_kept_seconds)
        jobs, pools = Oversight(self.runtime.store.database), Routing.from_settings(settings).pools
        async with open_client(settings) as client:
            return sum([await remove_old_runs(client, pool, jobs, before) for pool in pools])

    async def _pages_before(self, name: str, seconds: float, page: Callable[[datetime], Awaitable[int]]) -> None:
        if seconds:
            await self._pages(name, lambda: page(_ago(seconds)))

    async def _pages(self, name: str, page: Callable[[], Awaitable[int]]) -> None:
        async def all_pages() -> int:
            total = 0
            while not asked_to_leave() and (count := await page()):
                total += count
            return total

        await self._counted(name, all_pages)

    async def _counted(self, name: str, work: Callable[[], Awaitable[int]]) -> None:
        async def part() -> Removed:
            return Removed(await work())

        await self._part(name, part)

    async def _part(self, name: str, work: Callable[[], Awaitable[Removed]]) -> None:
        if await self._is_to_stop():
            self.report.failed.append(name)
            return
        try:
            self.report.removed[name] = await self._until_stopped(work())
        except Stopped:
            self.report.failed.append(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts are due too
            log.warning("a part of the clean-up failed", part=name, reason=type(error).__name__)
            self.report.failed.append(name)

    async def _until_stopped(self, work: Awaitable[Removed]) -> Removed:
        """A part may take hours: it is broken off where it is, which harms nothing."""
        part = asyncio.ensure_future(work)
        while not (await asyncio.wait({part}, timeout=STOP_SECONDS))[0]:
            if await self._is_to_stop():
                part.cancel()
        if part.cancelled():
            raise Stopped
        return part.result()

    async def _is_to_stop(self) -> bool:
        """Whether the worker leaves, or somebody cancelled the run."""
        self.report.stopped = self.report.stopped or (self.wish is not None and await self.wish.over())
        return self.report.stopped or asked_to_leave()


def _ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)
