"""The schedules of a deployment: those of prefect.yaml, beside those that people made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

from deployments.specification import ANCHOR, SLUG_PREFIX, Schedule


def merged(found: Iterable[DeploymentSchedule], wanted: Iterable[Schedule]) -> list[DeploymentScheduleCreate]:
    """What the deployment is to have, however it is written: Prefect replaces all schedules with a deployment.

    Those of the file are as the file says, but for whether they are active, which people decide. Those that left the
    file are gone; those that people made stay.
    """
    present = list(found)
    active = {schedule.slug: schedule.active for schedule in present}
    theirs = [_as_found(schedule) for schedule in present if not _of_file(schedule.slug)]
    return theirs + [_as_asked(schedule, active.get(schedule.slug, True)) for schedule in wanted]


def same(found: Sequence[DeploymentSchedule], wanted: Sequence[DeploymentScheduleCreate]) -> bool:
    """Whether the server has these schedules and no others."""
    # Sending a schedule fills in what it leaves out: both sides are compared as they would be sent.
    return _sorted(_said(_as_found(schedule)) for schedule in found) == _sorted(_said(each) for each in wanted)


def _of_file(slug: str | None) -> bool:
    return slug is not None and slug.startswith(SLUG_PREFIX)


def _as_found(schedule: DeploymentSchedule) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=schedule.schedule, active=schedule.active, parameters=schedule.parameters, slug=schedule.slug
    )


def _as_asked(schedule: Schedule, active: bool) -> DeploymentScheduleCreate:
    times: CronSchedule | IntervalSchedule
    if schedule.cron is not None:
        times = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    else:
        # Without an anchor of its own, a schedule would begin anew whenever the file is applied.
        times = IntervalSchedule.model_validate(
            {"interval": schedule.interval, "timezone": schedule.timezone, "anchor_date": ANCHOR}
        )
    return DeploymentScheduleCreate(
        schedule=times, active=active, parameters=dict(schedule.parameters), slug=schedule.slug
    )


def _said(schedule: DeploymentScheduleCreate) -> dict[str, Any]:
    said = schedule.model_dump(mode="json", include={"active", "parameters", "slug", "schedule"})
    if isinstance(schedule.schedule, IntervalSchedule):
        # The server gives the anchor's zone another name than it was given.
        said["schedule"]["anchor_date"] = schedule.schedule.anchor_date.timestamp()
    return said


def _sorted(said: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(said, key=lambda each: (each["slug"] or "", str(each)))
