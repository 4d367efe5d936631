"""Flow runs as Prefect has them now: one batched read for all that control wants to know."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType, WorkPool
from prefect.client.schemas.sorting import FlowRunSort

from orchestration.ownership import owner_of

PAGE = 200
"""What Prefect gives at most in one answer."""
IN_MOTION = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)
BEGUN_ANEW = ("AwaitingRetry", "Retrying", "Resuming")
"""Scheduled states of runs that somebody restarted: their jobs may have ended long ago."""


@dataclass
class Reading:
    """The runs of one look, by id; ``observed_at`` is when the look began."""

    observed_at: datetime
    runs: dict[UUID, FlowRun] = field(default_factory=dict)

    def add(self, runs: Iterable[FlowRun]) -> None:
        """Take more runs in."""
        self.runs.update((run.id, run) for run in runs)


@dataclass
class RunReader:
    """Reads runs through the Prefect API: of these ``pools``, and of others of ours that are found there, for jobs stay
    in their pool when routes change."""

    client: PrefectClient
    pools: tuple[str, ...]

    async def find_pools(self, identity: str) -> None:
        """Look for the pools that the installation of that identity has made."""
        found: list[WorkPool] = []
        while len(page := await self.client.read_work_pools(limit=PAGE, offset=len(found))) == PAGE:
            found += page
        ours = (pool.name for pool in (*found, *page) if owner_of(pool) == identity)
        self.pools = tuple(dict.fromkeys((*self.pools, *ours)))

    async def moving(self, since: datetime, also: Collection[UUID]) -> list[FlowRun]:
        """The pools' runs that are in motion, were restarted by hand or ended after ``since``, and ``also`` those."""
        state = {
            "operator": "or_",
            "type": {"any_": [str(kind.value) for kind in IN_MOTION]},
            "name": {"any_": list(BEGUN_ANEW)},
        }
        named, rest = list(also)[:PAGE], list(also)[PAGE:]
        wanted = {
            "operator": "or_",
            "state": state,
            "end_time": {"after_": since.isoformat()},
            **_named(named),
        }
        pools = {"work_pools": {"name": {"any_": list(self.pools)}}}
        return await self._all(wanted, pools) + await self.by_ids(rest)

    async def by_ids(self, run_ids: Collection[UUID]) -> list[FlowRun]:
        """Those of the runs that exist, whatever their pool."""
        wanted = list(run_ids)
        found: list[FlowRun] = []
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            found += await self._all(_named(page), {}, len(page))
        return found

    async def _all(self, wanted: dict[str, Any], more: dict[str, Any], most: float = math.inf) -> list[FlowRun]:
        """All that there are, page by page; there are no more than ``most``."""
        found: list[FlowRun] = []
        while True:
            # Prefect's own client cannot say `or_`, which makes one question of four.
            response = await self.client.request(
                "POST",
                "/flow_runs/filter",
                json={
                    "flow_runs": wanted,
                    "limit": PAGE,
                    "offset": len(found),
                    "sort": FlowRunSort.ID_DESC.value,
                    **more,
                },
            )
            page = [FlowRun.model_validate(entry) for entry in response.json()]
            found += page
            if len(page) < PAGE or len(found) >= most:
                return found


def _named(run_ids: Collection[UUID]) -> dict[str, Any]:
    return {"id": {"any_": [str(run_id) for run_id in run_ids]}} if run_ids else {}
