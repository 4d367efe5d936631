"""A long queue: whose turn it is among more runs than Prefect gives at once.

Prefect gives the runs that have waited longest. When somebody has a thousand jobs in the queue, those of others are not
among them; our own rows know the first jobs of each owner, the parts that long jobs wait for, and the takes of voices.
A run that had begun, and waited for its time, is among the last of Prefect's queue, but was among the first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from orchestration.runs import begun_and_due, place_of, waiting
from storage.due import DueJobs
from storage.store import Store

ASK_SECONDS = 1.0
"""How often runs that had begun are asked for: where places come free more often, they may wait so long."""
LOOKED_AT = 64
"""How many runs of all owners are looked at."""


@dataclass
class Backlog:
    """The runs of a pool that wait behind others. ``by_model`` where jobs of one owner do not all wait for the same."""

    client: PrefectClient
    store: Store
    pool: str
    by_model: bool = False
    long_seconds: float = 0.0
    open_queues: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda names: names
    """Those of these queues that are neither paused nor limited: Prefect alone counts the others."""
    clock: Callable[[], float] = time.monotonic
    _asked_at: float = -ASK_SECONDS

    async def completed(
        self, due: Sequence[FlowRun], count: int, queues: Sequence[str], *, light: bool = False
    ) -> list[FlowRun]:
        """The runs that are ``due``, and what they lack of the first ``count`` of each owner, of parts, of takes
        of voices, and of runs that had begun; in the order of `in_order`.

        ``queues`` are those that are served, the most urgent first. With ``light``, the first of those that long jobs
        must not keep waiting are wanted too.
        """
        present, served, queues = {str(run.id) for run in due}, queues, self.open_queues(tuple(queues))
        of_jobs = DueJobs(self.store.database)
        begun, first, parts, takes = await asyncio.gather(
            self._begun(queues),
            of_jobs.first_of_each(count, LOOKED_AT, by_model=self.by_model),
            self.store.parts.open_runs(),
            self.store.takes.open_runs(LOOKED_AT),
        )
        first += await of_jobs.first_light(self.long_seconds, LOOKED_AT) if light and self.long_seconds else []
        present |= {str(run.id) for run in begun}
        lacking = [UUID(run_id) for run_id in dict.fromkeys([*first, *parts, *takes]) if run_id not in present]
        more = await waiting(self.client, self.pool, lacking, queues) if lacking else []
        known = {run.id: run for run in (*due, *begun, *more)}
        return in_order(list(known.values()), served)

    async def _begun(self, queues: Sequence[str]) -> list[FlowRun]:
        if self.clock() - self._asked_at < ASK_SECONDS:
            return []
        self._asked_at = self.clock()
        return await begun_and_due(self.client, self.pool, queues, LOOKED_AT)


def in_order(runs: Sequence[FlowRun], queues: Sequence[str]) -> list[FlowRun]:
    """The most urgent queue first, and in each who was due first, whatever it has waited for since."""
    place = {queue: number for number, queue in enumerate(queues)}
    return sorted(runs, key=lambda run: (place.get(run.work_queue_name or "", len(place)), place_of(run)))
