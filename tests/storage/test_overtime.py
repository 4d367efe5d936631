"""Jobs whose time is over, and what becomes of them when they had to be stopped."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from speech.clock import now
from speech.errors import AttemptSuperseded, JobTimedOut
from speech.jobs import FileStatus, Stage
from storage.parts import Part
from storage.store import Store
from tests.storage.conftest import Desk

ERROR = JobTimedOut("Over.")


async def test_runs_at_work_whose_time_is_over(store: Store, desk: Desk) -> None:
    (over, _), (_, timeless), (_, quick) = [await desk.running(timeout=seconds) for seconds in (1, None, 3600)]
    waiting = await desk.job(timeout=1)
    await store.jobs.submitted(waiting.job_id, 1, "waits")
    runs = [f"run-{job.job_id}" for job in (over, timeless.job, quick.job)]
    assert await store.overtime.runs([*runs, "waits", "unknown"]) == {}
    await asyncio.sleep(1.1)
    assert await store.overtime.runs([*runs, "waits", "unknown"]) == {runs[0]: 1.0}
    assert await store.overtime.runs(runs[1:]) == {}
    await store.attempts.begin(over.job_id, 1, runs[0])
    assert await store.overtime.runs(runs) == {}


async def test_parts_whose_time_is_over(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running()
    file = job.files[0].file_id
    ends = (now() - timedelta(seconds=1), now() + timedelta(hours=1), None)
    parts = [Part(job.job_id, file, n, 1, 1, n, n + 1, "en", 1.0, 3.0, end) for n, end in enumerate(ends)]
    await store.parts.share_out(attempt, parts)
    for watched in await store.parts.watched():
        await store.parts.sent(watched, f"part-{watched.part}")
    assert await store.overtime.runs(["part-0", "part-1", "part-2"]) == {"part-0": 0.0}
    assert sorted(await store.parts.open_runs()) == ["part-0", "part-1", "part-2"]
    await store.parts.end(job.job_id, file, 0)
    assert sorted(await store.parts.open_runs()) == ["part-1", "part-2"]
    assert await store.overtime.runs(["part-0"]) == {}


async def test_what_was_done_in_time_stays_and_the_rest_fails(store: Store, desk: Desk) -> None:
    job, attempt = await desk.running(2)
    run = f"run-{job.job_id}"
    await desk.done(attempt)
    assert not await store.overtime.end(job.job_id, "another-run", ERROR)
    assert await store.overtime.end(job.job_id, run, ERROR)
    files = (await desk.fresh(job)).files
    assert [(file.status, file.error_code) for file in files] == [
        (FileStatus.COMPLETED, None),
        (FileStatus.FAILED, "job_timed_out"),
    ]
    with pytest.raises(AttemptSuperseded):
        await store.attempts.progress(attempt, files[1].file_id, Stage.TRANSCRIBING, 50.0)


async def test_a_job_of_which_nothing_was_done_has_failed(store: Store, desk: Desk) -> None:
    job, _ = await desk.running()
    assert not await store.overtime.end(job.job_id, f"run-{job.job_id}", ERROR)
    assert (await desk.fresh(job)).error_code == "job_timed_out"
    assert not await store.overtime.end("gone", "run", ERROR)
