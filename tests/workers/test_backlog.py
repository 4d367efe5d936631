"""Long queues and limits: whose run is taken next when there are more than Prefect gives at once."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Pending, Running

from speech.clock import now
from speech.jobs import JobStatus, StoredFile
from speech.options import TranscribeRequest
from storage.due import DueJobs
from storage.errors import LimitReached
from storage.parts import Part
from storage.projection import Projection
from storage.store import Store
from storage.tables import owners
from storage.upserts import insert_or_ignore
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers.backlog import Backlog
from workers.dispatch import LOOKED_AT

pytestmark = pytest.mark.prefect
MANY = 30


async def submit(pool: Pool, deployment: UUID, owner: str, name: str, **asked: object) -> FlowRun:
    request = TranscribeRequest.model_validate({"urls": [f"https://example.com/{name}.mp3"], **asked})
    async with pool.store.database.writing() as connection:
        await connection.execute(insert_or_ignore(connection, owners).values(owner_id=owner, created_at=now()))
    job = await pool.store.jobs.create(owner, request, max_unfinished=1000)
    run = await pool.submit(deployment, name, job_id=job.job_id)
    await pool.store.jobs.submitted(job.job_id, 1, str(run.id))
    return run


def begun(folder: Path) -> list[str]:
    marks = sorted(folder.glob("*.step"), key=lambda path: path.stat().st_mtime_ns)
    return [mark.stem for mark in marks]


async def test_who_has_one_job_waits_for_one_job_of_who_has_many(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    runs = [await submit(pool, deployment, "many", f"m{number:02}") for number in range(MANY)]
    single = await submit(pool, deployment, "one", "single")
    async with pool.worker(worker_slots=1):
        await pool.becomes(single, "Completed")
        assert begun(pool.folder).index("single") <= 2
        await pool.becomes(runs[-1], "Completed")


async def test_the_first_of_each_owner_and_urgency_and_those_that_are_due(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    a = [await submit(pool, deployment, "a", f"a{number}") for number in range(4)]
    b = await submit(pool, deployment, "b", "b", model="large-v3")
    urgent = await submit(pool, deployment, "a", "urgent", priority="express")
    other = await submit(pool, deployment, "a", "other", model="base")
    due = DueJobs(pool.store.database)
    assert await due.first_of_each(1, 10, by_model=False) == [str(run.id) for run in (urgent, a[0], b)]
    assert await due.first_of_each(2, 3, by_model=False) == [str(run.id) for run in (urgent, a[0], b)]
    by_model = await due.first_of_each(1, 10, by_model=True)
    assert by_model == [str(run.id) for run in (urgent, a[0], b, other)]
    backlog = Backlog(pool.client, pool.store, pool.settings.work_pool)
    completed = await backlog.completed([a[0], a[1]], 1, ("express", "normal", "low"))
    assert [run.name for run in completed] == [run.name for run in (a[0], a[1], b, urgent)]
    assert await backlog.completed([a[0]], 1, ("low",)) == [a[0]]
    # Of queues that are paused or limited Prefect alone says what may be taken.
    backlog.open_queues = lambda names: tuple(name for name in names if name != "normal")
    assert await backlog.completed([a[0]], 1, ("express", "normal", "low")) == [a[0]]


async def wait_for_its_time(pool: Pool, run: FlowRun) -> None:
    """The run began, had to wait, and is due again."""
    states: tuple[State, ...] = (Pending(), Running(), AwaitingRetry(scheduled_time=now()))
    for state in states:
        await pool.client.set_flow_run_state(run.id, state, force=True)


async def test_who_had_begun_and_waited_for_its_time_goes_before_those_who_came_later(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    patient = await submit(pool, deployment, "a", "patient")
    later = [await submit(pool, deployment, "a", f"later-{number:02}") for number in range(LOOKED_AT + 4)]
    await pool.store.attempts.begin(str(patient.parameters["job_id"]), 1, str(patient.id))
    await wait_for_its_time(pool, patient)
    async with pool.worker(worker_slots=1):
        await pool.becomes(later[-1], "Completed")
    assert begun(pool.folder)[0] == "patient"


async def test_runs_that_had_begun_are_asked_for_once_a_second(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    patient, later = [await submit(pool, deployment, "a", name) for name in ("patient", "later")]
    await pool.store.attempts.begin(str(patient.parameters["job_id"]), 1, str(patient.id))
    await wait_for_its_time(pool, patient)
    seconds = iter((100.0, 100.0, 100.5, 101.0, 101.0))
    backlog = Backlog(pool.client, pool.store, pool.settings.work_pool, clock=lambda: next(seconds))
    found = [await backlog.completed([later], 1, ("normal",)) for _ in range(3)]
    assert [[run.id for run in runs] for runs in found] == [[patient.id, later.id], [later.id], [patient.id, later.id]]


async def test_in_a_short_queue_too(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    patient, later = [await submit(pool, deployment, "a", name) for name in ("patient", "later")]
    await wait_for_its_time(pool, patient)
    async with pool.worker(worker_slots=1):
        await pool.becomes(later, "Completed")
    assert begun(pool.folder) == ["patient", "later"]


async def test_parts_of_a_long_job_are_seen_behind_the_jobs_of_others(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    first = await submit(pool, deployment, "many", "first")
    own = await submit(pool, deployment, "one", "own")
    attempt = await pool.store.attempts.begin(str(own.parameters["job_id"]), 1, str(own.id))
    (file,) = attempt.job.files
    part = Part(attempt.job.job_id, file.file_id, 0, 1, attempt.number, 0, 1, "en", 30.0, 30.0)
    await pool.store.parts.share_out(attempt, [part])
    run = await pool.submit(deployment, "part", job_id=attempt.job.job_id)
    (watched,) = await pool.store.parts.watched()
    await pool.store.parts.sent(watched, str(run.id))
    backlog = Backlog(pool.client, pool.store, pool.settings.work_pool)
    assert [run.name for run in await backlog.completed([first], 1, ("normal",))] == [first.name, run.name]
    await pool.store.parts.end(part.job_id, part.file_id, 0)
    assert await backlog.completed([first], 1, ("normal",)) == [first]


async def test_a_take_of_a_voice_is_seen_behind_the_jobs_of_others(pool: Pool) -> None:
    deployment = await pool.deploy("marking")
    first = await submit(pool, deployment, "many", "first")
    file = StoredFile("file", "many", "ada.wav", 5, "audio/wav", 4.0, 16_000, 1, "0" * 64, "audio", now())
    await pool.store.files.add(file)
    await pool.store.speakers.create("many", "Ada", ["file"], speaker_id="ada")
    run = await pool.submit(deployment, "take", job_id="")
    (due,) = await pool.store.takes.due()
    await pool.store.takes.dispatched(due, str(run.id))
    backlog = Backlog(pool.client, pool.store, pool.settings.work_pool)
    assert [run.name for run in await backlog.completed([first], 1, ("normal",))] == [first.name, run.name]


@pytest.mark.parametrize(
    "limits", [{"owner_jobs_at_once": 2}, {"model_jobs_at_once": {"faster_whisper/*": 2, "google/*": 1}}]
)
async def test_no_more_at_work_than_the_limits_allow(pool: Pool, limits: dict[str, object]) -> None:
    deployment = await pool.deploy("beginning")
    settings = pool.settings.model_copy(update=limits)
    pool.settings = settings
    runs = [await submit(pool, deployment, "a", f"mark-{number}") for number in range(5)]
    async with pool.worker(worker_slots=4):

        async def two_run() -> bool:
            return len(list(pool.folder.glob("*.running"))) == 2

        await eventually(two_run)
        (pool.folder / "go").touch()
        for run in runs:
            await pool.becomes(run, "Completed")
    assert max(int(path.read_text()) for path in pool.folder.glob("*.beside")) <= 2


async def test_runs_that_are_on_their_way_to_begin_do_not_keep_each_other_waiting(pool: Pool) -> None:
    """Prefect says that they run, so their jobs are `processing`; neither has begun."""
    settings = pool.settings.model_copy(update={"owner_jobs_at_once": 1})
    deployment = await pool.deploy("marking")
    runs = [await submit(pool, deployment, "a", f"r{number}") for number in range(2)]
    store = Store.open(settings)
    jobs = [str(run.parameters["job_id"]) for run in runs]
    for job_id in jobs:
        assert await store.jobs.project(job_id, 1, Projection(JobStatus.PROCESSING, observed_at=now()))
    await store.attempts.begin(jobs[0], 1, str(runs[0].id))
    with pytest.raises(LimitReached):
        await store.attempts.begin(jobs[1], 1, str(runs[1].id))
    await store.close()
