"""Events as hints: those that cannot have changed a job cost nothing, and one that comes too early is not forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import Event
from prefect.states import Completed, Running

from control.hints import Hints
from control.reading import RunReader
from control.watcher import Watcher
from speech.clock import now
from speech.jobs import JobStatus
from tests.storage.conftest import Desk


@dataclass
class Answers(RunReader):
    """Prefect with one run: what each read of it finds, the last one again and again."""

    found: list[FlowRun]
    read: list[UUID] = field(default_factory=list)

    async def by_ids(self, run_ids: Collection[UUID]) -> list[FlowRun]:
        self.read.extend(run_ids)
        if self.found[0].id not in run_ids:
            return []
        return [self.found.pop(0) if len(self.found) > 1 else self.found[0]]


def told(run_id: UUID, state: State[Any], initial: dict[str, Any] | None) -> Event:
    """What Prefect tells when a run comes into a state."""
    return Event(
        occurred=state.timestamp,
        event=f"prefect.flow-run.{state.name}",
        resource={"prefect.resource.id": f"prefect.flow-run.{run_id}"},
        payload={"initial_state": initial, "validated_state": {"type": state.type.value}},
        id=uuid4(),
    )


@pytest.fixture
def hints(desk: Desk) -> Hints:
    return Hints(Watcher(Answers(None, ("pool",), []), desk.store))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "initial", "counts"),
    [
        ("Scheduled", None, False),
        ("Pending", {"type": "SCHEDULED"}, False),
        ("Running", {"type": "PENDING"}, False),
        ("heartbeat", {}, False),
        ("Scheduled", {"type": "CRASHED"}, True),
        ("Suspended", {"type": "RUNNING"}, True),
        ("Cancelling", {"type": "RUNNING"}, True),
        ("Completed", {"type": "RUNNING"}, True),
    ],
)
async def test_what_counts(hints: Hints, name: str, initial: dict[str, Any] | None, counts: bool) -> None:
    run_id = uuid4()
    event = told(run_id, Completed(), initial).model_copy(update={"event": f"prefect.flow-run.{name}"})
    hints.hear(event)
    assert (run_id in hints.watcher.hinted) is counts


async def test_a_run_that_does_not_show_it_yet_is_read_again(desk: Desk) -> None:
    job = await desk.job()
    before: State[Any] = Running(timestamp=now() - timedelta(seconds=1))
    after: State[Any] = Completed()
    runs = [
        FlowRun(id=run_id, flow_id=uuid4(), state=state, parameters={"job_id": job.job_id}, run_count=1)
        for run_id in [uuid4()]
        for state in (before, before, after)
    ]
    await desk.store.jobs.submitted(job.job_id, 1, str(runs[0].id))
    attempt = await desk.store.attempts.begin(job.job_id, 1, str(runs[0].id))
    await desk.done(attempt)
    reader = Answers(None, ("pool",), runs)  # type: ignore[arg-type]
    hints = Hints(Watcher(reader, desk.store))

    hints.hear(told(runs[0].id, after, {"type": "RUNNING"}))
    for _ in range(3):
        await asyncio.wait_for(hints.follow(), 5)
    assert (await desk.fresh(job)).status is JobStatus.COMPLETED
    assert len(reader.read) == 3
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hints.follow(), 0.3)


async def test_a_run_that_is_gone_is_not_read_again(hints: Hints) -> None:
    hints.watcher.reader.found.append(FlowRun(flow_id=uuid4()))  # type: ignore[attr-defined]
    hints.hear(told(uuid4(), Completed(), {"type": "RUNNING"}))
    await asyncio.wait_for(hints.follow(), 5)
    assert hints.watcher.hinted == {}
