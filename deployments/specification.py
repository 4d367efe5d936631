"""prefect.yaml, read and checked."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

FILE = "prefect.yaml"


class Queue(BaseModel):
    """A work queue; 1 is the highest priority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    priority: int = Field(ge=1)


class Pool(BaseModel):
    """The work pool that the deployments go to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: str
    description: str = ""
    queues: tuple[Queue, ...]


class PoolReference(BaseModel):
    """Which pool and queue a deployment's runs go to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    work_queue_name: str
    job_variables: dict[str, object] = {}


class Deployment(BaseModel):
    """One entry of ``deployments``; unknown keys are refused, since Prefect would ignore them silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    entrypoint: str
    description: str = ""
    version: str | None = None
    tags: tuple[str, ...] = ()
    parameters: dict[str, object] = {}
    schedules: tuple[()] = ()
    work_pool: PoolReference


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
