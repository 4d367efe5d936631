"""A long queue: whose turn it is among more runs than Prefect gives at once.

Prefect gives the runs that have waited longest. When somebody has a thousand jobs in the queue, those of others are not
among them; our own rows know the first jobs of each owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from speech.clock import now
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
        lacking = [run_id for run_id in first if run_id not in present]
        runs = [*due, *(await self._read(lacking, queues) if lacking else [])]
        place = {queue: number for number, queue in enumerate(queues)}
        return sorted(runs, key=lambda run: place.get(run.work_queue_name or "", len(place)))

    async def _read(self, run_ids: Sequence[str], queues: Sequence[str]) -> list[FlowRun]:
        """Those of the runs that wait in these queues of the pool, in the order given."""
        waiting = {"id": {"any_": list(run_ids)}, "state": {"type": {"any_": [StateType.SCHEDULED.value]}}}
        response = await self.client.request(
            "POST",
            "/flow_runs/filter",
            json={
                "flow_runs": waiting,
                "work_pools": {"name": {"any_": [self.pool]}},
                "work_pool_queues": {"name": {"any_": list(queues)}},
                "limit": LOOKED_AT,
            },
        )
        order = {run_id: number for number, run_id in enumerate(run_ids)}
        found = [FlowRun.model_validate(entry) for entry in response.json()]
        due = [run for run in found if run.next_scheduled_start_time is None or run.next_scheduled_start_time <= now()]
        return sorted(due, key=lambda run: order[str(run.id)])
