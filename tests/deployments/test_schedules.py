"""Schedules on a real server: as the file says, but for what people decided in Prefect's UI."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule
from pydantic import ValidationError

from deployments.apply import Applied, apply
from deployments.specification import Schedule, Specification, read
from orchestration.client import open_client
from speech.settings import Settings
from tests.prefect_server import RunningPrefect

NIGHTLY = Schedule(slug="file-nightly", cron="30 3 * * *", timezone="Europe/Berlin", parameters={"job_id": "x"})
OFTEN = Schedule(slug="file-often", interval=900.5)


@pytest.fixture
def there(prefect_server: RunningPrefect, settings: Settings) -> Settings:
    """Settings of a new installation on the session's server."""
    return settings.model_copy(update={"prefect_api_url": prefect_server.url, "work_pool": f"pool-{uuid4().hex[:8]}"})


def having(there: Settings, *schedules: Schedule, **changes: Any) -> Specification:
    """The file with one deployment, of this test alone."""
    given = read()
    deployment = given.deployments[0].model_copy(update={"name": there.work_pool, "schedules": schedules, **changes})
    return given.model_copy(update={"deployments": (deployment,)})


async def on_server(there: Settings) -> dict[str | None, DeploymentSchedule]:
    async with open_client(there) as client:
        deployment = await client.read_deployment_by_name(f"transcribe/{there.work_pool}")
    return {schedule.slug: schedule for schedule in deployment.schedules}


async def applied(there: Settings, *schedules: Schedule, **changes: Any) -> Applied:
    return await apply(there, having(there, *schedules, **changes))


@pytest.mark.prefect
async def test_schedules_are_applied_once_changed_and_removed(there: Settings) -> None:
    await applied(there, NIGHTLY, OFTEN)
    found = await on_server(there)
    nightly, often = found["file-nightly"], found["file-often"]
    assert isinstance(nightly.schedule, CronSchedule)
    assert (nightly.schedule.cron, nightly.schedule.timezone) == ("30 3 * * *", "Europe/Berlin")
    assert nightly.parameters == {"job_id": "x"}
    assert getattr(often.schedule, "interval") == timedelta(seconds=900.5)  # noqa: B009
    assert (await applied(there, NIGHTLY, OFTEN)).changes == []
    later = NIGHTLY.model_copy(update={"cron": "45 3 * * *"})
    assert (await applied(there, later, OFTEN)).changes == [f"deployment transcribe/{there.work_pool}: updated"]
    assert getattr((await on_server(there))["file-nightly"].schedule, "cron") == "45 3 * * *"  # noqa: B009
    await applied(there, OFTEN)
    assert set(await on_server(there)) == {"file-often"}


@pytest.mark.prefect
async def test_what_people_decided_stays(there: Settings) -> None:
    await applied(there, NIGHTLY)
    async with open_client(there) as client:
        deployment = await client.read_deployment_by_name(f"transcribe/{there.work_pool}")
        (mine,) = deployment.schedules
        await client.update_deployment_schedule(deployment.id, mine.id, active=False)
        await client.create_deployment_schedules(deployment.id, [(CronSchedule(cron="0 0 1 * *"), True)])
    await applied(there, NIGHTLY)  # pausing a schedule loses its parameters in Prefect; they are mended
    assert (await applied(there, NIGHTLY)).changes == []
    assert (await on_server(there))["file-nightly"].parameters == {"job_id": "x"}
    later = NIGHTLY.model_copy(update={"cron": "45 3 * * *"})
    await applied(there, later, description="Otherwise.")
    found = await on_server(there)
    assert set(found) == {None, "file-nightly"}
    assert not found["file-nightly"].active
    assert found[None].active
    await applied(there, description="Otherwise.")
    assert set(await on_server(there)) == {None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "file-x"},
        {"slug": "file-x", "cron": "0 * * * *", "interval": 60},
        {"slug": "file-x", "cron": "0 * * * *", "timezone": "Mars/Olympus"},
        {"slug": "file-x", "cron": "0 * * * *", "active": True},
        {"slug": "nightly", "cron": "0 * * * *"},
        {"slug": "file-x", "interval": 0},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(wrong)
