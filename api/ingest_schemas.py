"""What the API answers about ingests."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas import EXAMPLE_ID, Shape
from speech.ingestion import DoneOptions, ObjectStatus, ResultOptions, RunStatus
from speech.options import TranscribeRequest
from storage.ingest_objects import IngestObject
from storage.ingest_runs import IngestRun
from storage.ingests import Ingest

_MOMENT = "2026-05-04T09:30:00Z"


class IngestView(Shape):
    """A source. How it is reached is the operator's, and not shown."""

    ingest_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    url: str = Field(description="Where the recordings lie.", examples=["s3://calls/in"])
    pattern: str = Field(description="Which of them are meant.", examples=["*.wav"])
    mode: Literal["since", "manifest"] = Field(description="How they are found.", examples=["since"])
    manifest: str | None = Field(description="The object that lists them.", examples=[None])
    overlap: float = Field(description="Seconds that a run looks back.", examples=[86400])
    request: TranscribeRequest = Field(description="What is asked of each.")
    results: ResultOptions = Field(description="Where results are written back to.")
    when_done: DoneOptions = Field(description="What happens to a recording when its results are written.")
    tries: int = Field(description="How often an object is tried before its quarantine.", examples=[3])
    schedule: str | None = Field(description="When it runs, as cron says it.", examples=["0 * * * *"])
    timezone: str = Field(description="In which time zone.", examples=["UTC"])
    enabled: bool = Field(description="Whether the schedule counts.", examples=[True])
    store: str | None = Field(description="The operator's store that it must lie in.", examples=[None])
    watermark: datetime | None = Field(description="The newest change that a whole run saw.", examples=[_MOMENT])
    created_at: datetime = Field(description="When it was made.", examples=[_MOMENT])
    updated_at: datetime = Field(description="When it was last changed.", examples=[_MOMENT])


class IngestList(Shape):
    """A page of ingests."""

    ingests: list[IngestView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class IngestObjectView(Shape):
    """One version of one object, and what became of it."""

    object_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    url: str = Field(description="Where it lies; literal, nothing is escaped.", examples=["s3://calls/in/a.wav"])
    version: str = Field(description="Which version, as its store says it.", examples=["9b2cf535f27731c9"])
    size_bytes: int = Field(description="Bytes.", examples=[352044])
    modified_at: datetime | None = Field(description="When it came or changed.", examples=[_MOMENT])
    status: ObjectStatus = Field(description="What became of it.", examples=["done"])
    tries: int = Field(description="How often its job was tried.", examples=[1])
    job_id: str | None = Field(description="Its job; null when its name was refused.", examples=[EXAMPLE_ID])
    error: str | None = Field(description="A sentence, when something went wrong.", examples=[None])
    error_code: str | None = Field(description="A stable word, when something went wrong.", examples=[None])
    created_at: datetime = Field(description="When it was met.", examples=[_MOMENT])
    settled_at: datetime | None = Field(description="When it was done with.", examples=[_MOMENT])


class IngestObjectList(Shape):
    """A page of objects."""

    objects: list[IngestObjectView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class CountsView(Shape):
    """What a run met and did, in numbers of versions of objects."""

    listed: int = Field(description="Objects that the source has.")
    matched: int = Field(description="Of them, those that are meant and may be new.")
    known: int = Field(description="Met before.")
    submitted: int = Field(description="Given a job.")
    refused: int = Field(description="Of a name that is not taken.")
    missing: int = Field(description="Named by a manifest and not there.")
    done: int = Field(description="Seen through to the end.")
    moved: int = Field(description="Sources moved.")
    tagged: int = Field(description="Sources tagged.")
    superseded: int = Field(description="Replaced by a newer version.")
    tried_again: int = Field(description="Failed jobs that run once more.")
    quarantined: int = Field(description="Given up.")
    postponed: int = Field(description="Left to the next run, since a store did not answer or refused.")
    queue_full: int = Field(description="1 when the run stopped because the queue was full.")
    unreadable: int = Field(description="Folders and files that this server's user may not look into.")


class IngestRunView(Shape):
    """One run of an ingest."""

    run_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    status: RunStatus = Field(description="How it went.", examples=["completed"])
    counts: CountsView = Field(description="What it met and did.")
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    flow_run_id: str | None = Field(description="Prefect's id of the run.", examples=[None])
    created_at: datetime = Field(description="When it began.", examples=[_MOMENT])
    ended_at: datetime | None = Field(description="When it ended.", examples=[_MOMENT])


class IngestRunList(Shape):
    """A page of runs."""

    runs: list[IngestRunView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class RunWantedView(Shape):
    """A run was asked for; it is made as soon as the orchestrator answers."""

    ingest_id: str = Field(description="The ingest.", examples=[EXAMPLE_ID])
    runs: str = Field(description="Where to look for it.", examples=[f"/api/v1/ingests/{EXAMPLE_ID}/runs"])


class ReleasedView(RunWantedView):
    """How many objects were let out of quarantine, and where their run is shown."""

    released: int = Field(description="Objects that are tried again.", examples=[2])


def ingest_view(ingest: Ingest) -> IngestView:
    """A source, as the API shows it."""
    options = {name: getattr(ingest.options, name) for name in type(ingest.options).model_fields}
    return IngestView(
        ingest_id=ingest.ingest_id,
        watermark=ingest.watermark,
        created_at=ingest.created_at,
        updated_at=ingest.updated_at,
        **options,
    )


def object_view(found: IngestObject) -> IngestObjectView:
    """An object, as the API shows it."""
    return IngestObjectView(**{name: getattr(found, name) for name in IngestObjectView.model_fields})


def run_view(run: IngestRun) -> IngestRunView:
    """A run, as the API shows it."""
    shown = {name: getattr(run, name) for name in IngestRunView.model_fields if name != "counts"}
    counts = CountsView(**{name: getattr(run.counts, name) for name in CountsView.model_fields})
    return IngestRunView(**shown, counts=counts)
