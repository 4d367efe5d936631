"""Ends by force: a job that is to stop and does not, since it was cancelled or has no time left, loses its process.

Jobs stop by themselves at their next piece, and have a grace for it. What holds one up is a call that does not come
back; nothing but the end of its process stops that. The other runs of the process go back to the queue and go on from
their finished steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog

from orchestration.outages import again
from storage.store import Store

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0


class Holder(Protocol):
    """Whoever knows which runs are at work."""

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs."""


class Killer(Protocol):
    """Whoever can end the process of a run."""

    def kill_of(self, run_id: UUID, cause: str, *, overdue: bool = False) -> None:
        """End it, when it is here; ``overdue`` when the run has no time left, and is not to run again."""


@dataclass
class Enforcer:
    """Looks now and then whether a run of ours is overdue."""

    store: Store
    holder: Holder
    grace_seconds: float
    killers: Sequence[Killer]
    clock: Callable[[], float] = time.monotonic
    _seen: dict[UUID, float] = field(default_factory=dict)
    _since: dict[UUID, float] = field(default_factory=dict)

    async def watch(self) -> None:
        """Look until cancelled."""
        await again(self.look, "the database", LOOK_SECONDS)

    async def look(self) -> None:
        """Kill the processes of runs whose time to stop is over."""
        runs = self.holder.runs
        names = [str(run_id) for run_id in runs]
        cancelled = await self.store.attempts.stopping(names) if runs else frozenset[str]()
        moment = self.clock()
        overdue = await self._overdue(runs, moment) - cancelled
        self._since = {run_id: self._since.get(run_id, moment) for run_id in runs if str(run_id) in cancelled | overdue}
        for run_id, since in self._since.items():
            if moment - since >= self.grace_seconds:
                self._kill(run_id, overdue=str(run_id) in overdue)

    async def _overdue(self, runs: Sequence[UUID], moment: float) -> frozenset[str]:
        """The runs that have no time left. The clock on the wall may have been set, or have gone on while this machine
        slept: what counts is also for how long they were seen."""
        self._seen = {run_id: self._seen.get(run_id, moment) for run_id in runs}
        had = await self.store.overtime.runs([str(run_id) for run_id in runs]) if runs else {}
        return frozenset(
            str(run_id) for run_id, since in self._seen.items() if moment - since >= had.get(str(run_id), math.inf)
        )

    def _kill(self, run_id: UUID, *, overdue: bool) -> None:
        why = "had no time left" if overdue else "was cancelled"
        log.warning("a job does not stop; its process is killed", flow_run_id=str(run_id), why=why)
        for killer in self.killers:
            killer.kill_of(run_id, f"a job of it {why} and did not stop", overdue=overdue)
