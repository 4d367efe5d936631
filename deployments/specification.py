"""prefect.yaml, read and checked."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FILE = "prefect.yaml"
SLUG_PREFIX = "file-"
"""How the schedules of the file are told from those that people made: only the former go when they leave the file."""
ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)
"""What intervals are counted from."""


class Queue(BaseModel):
    """A work queue; 1 is the highest priority. Without a limit, the one that Prefect has stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    priority: int = Field(ge=1)
    concurrency_limit: int | None = Field(None, ge=0)


class Pool(BaseModel):
    """The work pool that the deployments go to, and what every pool of an installation is like.

    Without a limit on the runs that are at work in it, the one that Prefect has stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: str
    description: str = ""
    concurrency_limit: int | None = Field(None, ge=0)
    queues: tuple[Queue, ...]


class PoolReference(BaseModel):
    """Which pool and queue a deployment's runs go to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    work_queue_name: str
    job_variables: dict[str, object] = {}


class Schedule(BaseModel):
    """When a deployment runs by itself: ``cron``, or ``interval`` in seconds. ``slug`` is what it is found again by.

    Whether it is active is decided in Prefect, not here: what somebody paused stays so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(pattern=rf"^{SLUG_PREFIX}[a-z0-9-]+$")
    cron: str | None = None
    interval: float | None = Field(None, ge=1)
    timezone: str = "UTC"
    parameters: dict[str, object] = {}

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone} is no time zone of the IANA database")
        return zone

    @model_validator(mode="after")
    def _one_kind(self) -> Schedule:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("give either cron or interval")
        return self


class Deployment(BaseModel):
    """One entry of ``deployments``; unknown keys are refused, since Prefect would ignore them silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    entrypoint: str
    description: str = ""
    version: str | None = None
    tags: tuple[str, ...] = ()
    parameters: dict[str, object] = {}
    schedules: tuple[Schedule, ...] = ()
    work_pool: PoolReference

    @field_validator("schedules")
    @classmethod
    def _told_apart(cls, schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
        if len({schedule.slug for schedule in schedules}) < len(schedules):
            raise ValueError("two schedules have the same slug")
        return schedules


class Specification(BaseModel):
    """The file."""

    pool: Pool
    deployments: tuple[Deployment, ...]


def find() -> Path:
    """Where the file is: inside the installed package, or at the root of the source tree."""
    packaged = Path(str(files("deployments"))) / FILE
    return packaged if packaged.is_file() else packaged.parent.parent / FILE


def read(path: Path | None = None) -> Specification:
    """The specification in a file, ours by default.

    Raises:
        pydantic.ValidationError: when it says something that we do not know.

    """
    content = yaml.safe_load((path or find()).read_text(encoding="utf-8"))
    return Specification(pool=content["definitions"]["work_pool"], deployments=content["deployments"])
