"""A run that somebody suspends in Prefect stops at its next task and stays suspended, and others go on."""

from __future__ import annotations

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Suspended

from tests.waiting import eventually
from tests.workers.conftest import Pool

pytestmark = pytest.mark.prefect


async def test_a_suspended_run_stops_and_others_go_on(pool: Pool) -> None:
    deployment = await pool.deploy("stepping")
    async with pool.worker() as worker:
        suspended, other = [await pool.submit(deployment, name) for name in ("suspended", "other")]
        await pool.marked("suspended-*.step", 2)
        await pool.marked("other-*.step", 2)
        await pool.client.set_flow_run_state(suspended.id, Suspended(timeout_seconds=600))

        async def let_go() -> bool:
            return suspended.id not in worker.runs

        await eventually(let_go)
        steps = len(list(pool.folder.glob("suspended-*.step")))
        assert steps < 600
        await pool.marked("other-*.step", len(list(pool.folder.glob("other-*.step"))) + 5)
        assert len(list(pool.folder.glob("suspended-*.step"))) == steps
        found = await pool.client.read_flow_run(suspended.id)
        assert found.state is not None
        assert (found.state.type, found.state.name) == (StateType.PAUSED, "Suspended")
        assert other.id in worker.runs
