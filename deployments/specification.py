"""prefect.yaml, read and checked."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from deployments.sources import Source
from speech.errors import SpeechError

FILE = "prefect.yaml"
SLUG_PREFIX = "file-"
"""How the schedules of the file are told from those that people made: only the former go when they leave the file."""
ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)
"""What intervals are counted from."""


class SpecificationRefused(SpeechError):
    """The file cannot be used; the message says what is wrong with it, and where."""

    code = "specification_refused"


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
    sources: tuple[Source, ...] = ()

    @field_validator("sources")
    @classmethod
    def _named_apart(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        if len({source.name for source in sources}) < len(sources):
            raise ValueError("two ingests have the same name")
        return sources


def find() -> Path:
    """Where the file is: inside the installed package, or at the root of the source tree."""
    packaged = Path(str(files("deployments"))) / FILE
    return packaged if packaged.is_file() else packaged.parent.parent / FILE


def read(path: Path | None = None) -> Specification:
    """The specification in a file, ours by default.

    Raises:
        SpecificationRefused: when it cannot be read, lacks something, or says something that we do not know.

    """
    path = path or find()
    try:
        return _specification(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as reason:
        raise SpecificationRefused(f"{path} cannot be read ({reason.strerror}); mend WOA_PREFECT_FILE.") from reason
    except (UnicodeDecodeError, yaml.YAMLError) as reason:
        raise SpecificationRefused(f"{path} is not YAML.") from reason
    except ValidationError as reason:
        first = reason.errors(include_url=False, include_input=False)[0]
        top, *further = first["loc"] or ("",)
        where = ".".join(str(part) for part in (_IN_THE_FILE.get(top, top), *further))
        raise SpecificationRefused(f"{path} is refused at {where}: {first['msg']}.") from reason


def _specification(content: object) -> Specification:
    top = _mapping(content)
    definitions = _mapping(top.get("definitions"))
    given = {"pool": definitions.get("work_pool"), "deployments": top.get("deployments")}
    return Specification.model_validate(given | {"sources": definitions.get("ingests") or ()})


_IN_THE_FILE: dict[int | str, str] = {"pool": "definitions.work_pool", "sources": "definitions.ingests"}


def _mapping(content: object) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}
