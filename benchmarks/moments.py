"""When what happened to jobs, read afterwards from the database and from Prefect, by the clock of this machine.

The first line of the flow is timed by ``begun_at``: the flow's first act is to begin its attempt, and the moment is
taken inside that transaction, after the job's row was read. So it is late by the wait for the write lock and one
statement, one or two milliseconds, and never early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from sqlalchemy import select

from benchmarks.stack import Stack
from storage.database import Database
from storage.store import Store
from storage.tables import jobs

PAGE = 200


@dataclass(frozen=True, slots=True)
class JobMoments:
    """A job's row; moments in seconds since the epoch, None for what has not happened."""

    job_id: str
    status: str
    priority: str
    flow_run_id: str | None
    created: float
    begun: float | None
    completed: float | None


def of_jobs(stack: Stack, job_ids: Collection[str] = ()) -> dict[str, JobMoments]:
    """The rows of these jobs, or of all."""

    async def read() -> list[Any]:
        database = Database(stack.database_url)
        try:
            async with database.reading() as connection:
                return list((await connection.execute(select(jobs))).mappings())
        finally:
            await database.close()

    rows = {row["job_id"]: _moments(row) for row in asyncio.run(read())}
    return {job_id: row for job_id, row in rows.items() if not job_ids or job_id in set(job_ids)}


def of_run(stack: Stack, flow_run_id: str) -> dict[str, float]:
    """When a run came into each of its states, the first time; ``created`` is when Prefect had written it."""
    with httpx.Client(base_url=stack.prefect_url, timeout=60, trust_env=False) as client:
        run = client.get(f"/flow_runs/{flow_run_id}").raise_for_status().json()
        states = client.get("/flow_run_states/", params={"flow_run_id": flow_run_id}).raise_for_status().json()
    entered = sorted((_seconds(state["timestamp"]), state["type"].lower()) for state in states)
    return {"created": _seconds(run["created"]), **{kind: moment for moment, kind in reversed(entered)}}


def runs_created(stack: Stack) -> dict[str, float]:
    """When Prefect had written each of its runs, by the run's id."""
    found: dict[str, float] = {}
    with httpx.Client(base_url=stack.prefect_url, timeout=60, trust_env=False) as client:
        while True:
            asked = {"limit": PAGE, "offset": len(found), "sort": "ID_DESC"}
            page = client.post("/flow_runs/filter", json=asked).raise_for_status().json()
            found |= {run["id"]: _seconds(run["created"]) for run in page}
            if len(page) < PAGE:
                return found


def device_pulse(stack: Stack) -> dict[str, Any]:
    """The last sign of life of the worker's one device process: ``pid``, ``loads``, ``memory_bytes``, ``models``."""

    async def read() -> Any:
        store = Store.open(stack.settings)
        try:
            (worker,) = await store.workers.online()
        finally:
            await store.close()
        return worker.details["devices"][0]

    pulse: dict[str, Any] = asyncio.run(read())
    return pulse


def _moments(row: Any) -> JobMoments:
    return JobMoments(
        job_id=row["job_id"],
        status=row["status"],
        priority=row["priority"],
        flow_run_id=row["flow_run_id"],
        created=row["created_at"].timestamp(),
        begun=row["begun_at"].timestamp() if row["begun_at"] else None,
        completed=row["completed_at"].timestamp() if row["completed_at"] else None,
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
