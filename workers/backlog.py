"""A long queue: whose turn it is among more runs than Prefect gives at once.

Prefect gives the runs that have waited longest. When somebody has a thousand jobs in the queue, those of others are not
among them; our own rows know the first jobs of each owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from orchestration.runs import waiting
from storage.due import DueJobs
from storage.store import Store

LOOKED_AT = 64
"""How many runs of all owners are looked at."""


@dataclass(frozen=True)
class Backlog:
    """The runs of a pool that wait behind others. ``by_model`` where jobs of one owner do not all wait for the same."""

    client: PrefectClient
    store: Store
    pool: str
    by_model: bool = False

    async def completed(self, due: Sequence[FlowRun], count: int, queues: Sequence[str]) -> list[FlowRun]:
        """The runs that are ``due``, and the first ``count`` of each owner that they lack; the most urgent queue first.

        ``queues`` are those that are served, the most urgent first.
        """
        first = await DueJobs(self.store.database).first_of_each(count, LOOKED_AT, by_model=self.by_model)
        present = {str(run.id) for run in due}
        lacking = [UUID(run_id) for run_id in first if run_id not in present]
        runs = [*due, *(await waiting(self.client, self.pool, lacking, queues) if lacking else [])]
        place = {queue: number for number, queue in enumerate(queues)}
        return sorted(runs, key=lambda run: place.get(run.work_queue_name or "", len(place)))
