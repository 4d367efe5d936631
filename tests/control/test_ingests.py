"""Schedules and wanted runs of ingests, on a real Prefect server."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Cancelled

from control.ingests import SLUG, IngestDesk
from deployments.apply import apply
from deployments.specification import read
from speech.ingestion import IngestOptions, RunStatus
from storage.ids import new_id
from storage.ingest_objects import Met
from storage.ingest_runs import Counts
from storage.ingests import Ingest
from tests.control.conftest import OWNER, Installation
from tests.waiting import eventually

pytestmark = pytest.mark.prefect


@pytest.fixture
async def desk(installation: Installation) -> IngestDesk:
    """Control's hand, and a deployment of the real flow under a name of this test's own."""
    given = read()
    ingest = next(one for one in given.deployments if one.name == "ingest")
    own = ingest.model_copy(update={"name": installation.settings.work_pool})
    await apply(installation.settings, given.model_copy(update={"deployments": (own,)}))
    name = f"ingest/{installation.settings.work_pool}"
    return IngestDesk(installation.client, installation.store, name, installation.settings.work_pool)


async def source(installation: Installation, **options: Any) -> Ingest:
    asked = IngestOptions.model_validate({"url": "s3://calls/in", **options})
    return await installation.store.ingests.create(OWNER, asked, ingest_id=new_id())


async def schedules(desk: IngestDesk) -> list[DeploymentSchedule]:
    return (await desk.client.read_deployment_by_name(desk.deployment)).schedules


async def runs(installation: Installation) -> list[FlowRun]:
    """Those that were asked for, not those that Prefect's schedules make ahead."""
    return [run for run in await installation.runs() if "listing" in run.parameters]


async def test_schedules_follow_the_sources_whatever_happens_in_prefect(
    installation: Installation, desk: IngestDesk
) -> None:
    theirs = DeploymentScheduleCreate(schedule=CronSchedule(cron="1 1 1 1 *"), slug="by-hand", active=False)
    deployment = await desk.client.read_deployment_by_name(desk.deployment)
    await desk.client.create_deployment_schedules(deployment.id, [theirs])
    ingest = await source(installation, schedule="0 3 1 1 *", timezone="Europe/Berlin")
    other = await source(installation, schedule="0 4 1 1 *", enabled=False)
    await desk.keep_schedules()
    mine = [each for each in await schedules(desk) if each.slug != "by-hand"]
    assert [(each.slug, each.parameters) for each in mine] == [
        (f"{SLUG}{ingest.ingest_id}", {"ingest_id": ingest.ingest_id})
    ]
    assert isinstance(mine[0].schedule, CronSchedule)
    assert (mine[0].schedule.cron, mine[0].schedule.timezone) == ("0 3 1 1 *", "Europe/Berlin")
    await desk.keep_schedules()
    assert [each.id for each in await schedules(desk) if each.slug != "by-hand"] == [mine[0].id]
    await desk.client.delete_deployment_schedule(deployment.id, mine[0].id)
    changed = other.options.model_copy(update={"enabled": True})
    await installation.store.ingests.change(OWNER, other.ingest_id, changed)
    await desk.keep_schedules()
    assert {each.slug for each in await schedules(desk)} == {
        "by-hand",
        f"{SLUG}{ingest.ingest_id}",
        f"{SLUG}{other.ingest_id}",
    }
    await installation.store.ingests.delete(OWNER, ingest.ingest_id)
    await installation.store.ingests.delete(OWNER, other.ingest_id)
    await desk.keep_schedules()
    assert {each.slug for each in await schedules(desk)} == {"by-hand"}


async def test_a_schedule_that_prefect_cannot_read_keeps_no_other_from_its_own(
    installation: Installation, desk: IngestDesk
) -> None:
    for cron, zone in (("0 0 LW * *", "UTC"), ("0 0 * * 5L", "UTC"), ("0 0 1 1 *", "posix/Europe/Berlin")):
        # As the version before accepted them.
        kept = IngestOptions.from_store({"url": "s3://calls/in", "schedule": cron, "timezone": zone})
        await installation.store.ingests.create(OWNER, kept, ingest_id=new_id())
    ingest = await source(installation, schedule="0 3 1 1 *")
    await desk.keep_schedules()
    assert [each.slug for each in await schedules(desk)] == [f"{SLUG}{ingest.ingest_id}"]


async def test_a_wanted_run_is_made_once(installation: Installation, desk: IngestDesk) -> None:
    ingest = await source(installation)
    await installation.store.ingests.want_run(OWNER, ingest.ingest_id)
    (wanted,) = await installation.store.ingests.wanted()
    for _ in range(2):  # killed after it was made and before that was noted
        await desk._run(
            (await desk.client.read_deployment_by_name(desk.deployment)).id,
            ingest.ingest_id,
            f"ingest:{ingest.ingest_id}:{wanted.number}",
            listing=True,
        )
    await desk.make_runs()
    await desk.make_runs()
    (run,) = await runs(installation)
    assert run.parameters == {"ingest_id": ingest.ingest_id, "listing": True}
    assert run.work_queue_name == "chores"


async def test_ended_jobs_bring_a_run_soon_and_not_one_each(installation: Installation, desk: IngestDesk) -> None:
    ingest = await source(installation)
    met = [Met(f"s3://calls/in/{number}", "1", 1, None) for number in range(2)]
    await installation.store.ingest_objects.take(ingest, met, max_unfinished=9)
    rows, _ = await installation.store.ingest_objects.list(ingest.ingest_id)
    for row in rows:
        await installation.store.jobs.request_cancel(OWNER, row.job_id or "")
        await desk.make_runs()
    (run,) = await runs(installation)
    assert run.parameters == {"ingest_id": ingest.ingest_id, "listing": False}


async def test_while_workers_or_stores_are_away_runs_do_not_pile_up(
    installation: Installation, desk: IngestDesk
) -> None:
    ingest = await source(installation)
    store = installation.store
    await store.ingest_objects.take(ingest, [Met("s3://calls/in/a", "1", 1, None)], max_unfinished=9)
    (row,), _ = await store.ingest_objects.list(ingest.ingest_id)
    await store.jobs.request_cancel(OWNER, row.job_id or "")
    for number in range(3):
        await store.ingests.settling(ingest.ingest_id, -3600)  # the pause is over
        await desk.make_runs()
        (run,) = await runs(installation)
        run_id = await store.ingest_runs.begin(ingest, f"another {number}")
        await store.ingest_runs.end(run_id, RunStatus.COMPLETED, Counts(postponed=1))
    await installation.client.set_flow_run_state(run.id, Cancelled(), force=True)
    await store.ingests.settling(ingest.ingest_id, -3600)
    await desk.make_runs()
    assert len(await runs(installation)) == 2
    assert await store.ingests.to_settle(-60 * 2**3 + 60 + 30) == []  # three in a row could see to nothing
    assert await store.ingests.to_settle(-60 * 2**3) == [ingest.ingest_id]
    run_id = await store.ingest_runs.begin(ingest, "last")
    await store.ingest_runs.end(run_id, RunStatus.COMPLETED, Counts(postponed=1, done=1))
    assert await store.ingest_runs.fruitless(ingest.ingest_id, 10) == 0


async def test_what_belongs_to_another_installation_is_left_alone(installation: Installation, desk: IngestDesk) -> None:
    await source(installation, schedule="0 3 1 1 *")
    other = IngestDesk(desk.client, desk.store, desk.deployment, "another-pool")
    await other.keep_schedules()
    assert await schedules(desk) == []


async def test_control_does_it_by_itself_also_when_prefect_was_away(
    installation: Installation, desk: IngestDesk
) -> None:
    ingest = await source(installation, schedule="0 3 1 1 *")
    await installation.store.ingests.want_run(OWNER, ingest.ingest_id)
    async with installation.control(ingests=desk.deployment):

        async def there() -> bool:
            return bool(await runs(installation)) and bool(await schedules(desk))

        assert await eventually(there)
