"""What control asks about jobs of every owner."""

from __future__ import annotations

from speech.jobs import JobStatus
from speech.options import Priority
from storage.oversight import Oversight
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import Desk


async def test_jobs_by_what_control_asks(store: Store, desk: Desk) -> None:
    unsent = await desk.job(priority="low")
    stranded = await desk.job()
    [row] = [row for row in await store.outbox.due() if row.job_id == stranded.job_id]
    await store.outbox.done(row.id)
    sent = await desk.job()
    await store.jobs.submitted(sent.job_id, 1, "run")
    running, _ = await desk.running()
    ended, _ = await desk.running()
    await store.jobs.project(ended.job_id, 1, Projection(JobStatus.FAILED))
    oversight = Oversight(store.database)

    assert set(await oversight.jobs([unsent.job_id, ended.job_id, "nobody"])) == {unsent.job_id, ended.job_id}
    assert (await oversight.jobs([unsent.job_id]))[unsent.job_id].priority is Priority.LOW
    assert await oversight.jobs([]) == {}
    assert [job.job_id for job in await oversight.at_work()] == [running.job_id]
    assert [job.job_id for job in await oversight.stranded(10)] == [stranded.job_id]
    first = await oversight.page("", 1)
    rest = await oversight.page(first[-1].job_id, 10)
    assert [job.job_id for job in (*first, *rest)] == [sent.job_id, running.job_id]
