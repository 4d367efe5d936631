"""What the API answers about how it is, and how much there is to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas import Shape


class CheckView(Shape):
    """One part of the server. `ok` false: see `detail`."""

    ok: bool
    detail: str | None = Field(None, description="What is wrong, and what to do.")
    ms: float | None = Field(None, description="How long it took to answer, milliseconds.")


class WorkersView(Shape):
    """The workers that were heard of in the last seconds."""

    ok: bool
    online: int = Field(examples=[1])
    slots: int = Field(description="Jobs that they run at once.", examples=[4])
    busy: int = Field(description="Jobs that they run now.", examples=[0])
    unwell: int = Field(0, description="Workers that take no or few jobs: their disk, storage or device fails.")
    detail: str | None = None


class Depth(Shape):
    """How much there is to do."""

    queued: int = Field(description="Jobs that wait for a worker, and may begin.", examples=[3])
    processing: int = Field(description="Jobs that a worker has.", examples=[1])
    unfinished: int = Field(description="Both: what to scale workers by.", examples=[4])


class QueueView(Depth):
    """How much there is to do, altogether and by work pool; jobs whose time has not come do not count."""

    ok: bool
    pools: dict[str, Depth] = Field(description="By work pool.")
    detail: str | None = None


class ProvidersCheck(Shape):
    """Which providers can work here."""

    ok: bool
    available: list[str] = Field(examples=[["faster_whisper"]])
    unavailable: dict[str, str] = Field(description="Why not, by name.", examples=[{}])
    detail: str | None = None


class Checks(Shape):
    """All parts."""

    database: CheckView
    storage: CheckView
    orchestrator: CheckView
    workers: WorkersView
    queue: QueueView
    providers: ProvidersCheck


class HealthView(Shape):
    """How the server is. `degraded`: jobs are accepted, and wait. `unhealthy`: they are not accepted."""

    status: Literal["healthy", "degraded", "unhealthy"]
    checks: Checks


class LiveView(Shape):
    """The process answers."""

    status: Literal["live"]


class ReadyView(Shape):
    """Jobs are accepted."""

    status: Literal["ready"]
