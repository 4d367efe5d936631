"""Looks at Prefect that overlap: what was read first is projected first."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Running

from control.reading import RunReader
from control.watcher import Hint, Watcher
from speech.jobs import JobStatus
from tests.storage.conftest import Desk


@dataclass
class SlowReader(RunReader):
    """Prefect with one run: the answer to the big question is what it was when asked, and is long on its way."""

    run: FlowRun
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def moving(self, since: datetime, also: Collection[UUID]) -> list[FlowRun]:
        seen = self.run.model_copy()
        self.asked.set()
        await self.answer.wait()
        return [seen]

    async def by_ids(self, run_ids: Collection[UUID]) -> list[FlowRun]:
        return [self.run.model_copy()] if self.run.id in run_ids else []


def run_of(job_id: str, state: State[Any]) -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), state=state, parameters={"job_id": job_id}, run_count=1)


async def test_an_older_reading_does_not_open_a_finished_job_again(desk: Desk) -> None:
    job = await desk.job()
    run = run_of(job.job_id, Running())
    await desk.store.jobs.submitted(job.job_id, 1, str(run.id))
    attempt = await desk.store.attempts.begin(job.job_id, 1, str(run.id))
    await desk.done(attempt)
    reader = SlowReader(None, "pool", run)  # type: ignore[arg-type]
    watcher = Watcher(reader, desk.store)

    looking = asyncio.create_task(watcher.look())
    await reader.asked.wait()
    run.state = Completed()
    watcher.hinted[run.id] = Hint(run.state.timestamp)
    hint = asyncio.create_task(watcher.look_at_hints())
    await asyncio.wait({hint}, timeout=0.5)
    reader.answer.set()
    await asyncio.gather(looking, hint)

    ended = await desk.fresh(job)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 1)
