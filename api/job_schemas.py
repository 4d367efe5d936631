"""What the API answers about a job, and what its events tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas import EXAMPLE_ID, EXAMPLE_MOMENT, Shape
from speech.jobs import FileStatus, JobStatus, Stage
from speech.options import Priority


class JobLinks(Shape):
    """Where to go on."""

    self: str = Field(description="The job.", examples=[f"/api/v1/jobs/{EXAMPLE_ID}"])
    results: str = Field(description="Its results, once it is completed.", examples=[f"/api/v1/results/{EXAMPLE_ID}"])
    events: str | None = Field(
        None, description="Its events, as they happen.", examples=[f"/api/v1/jobs/{EXAMPLE_ID}/events"]
    )


class AcceptedView(Shape):
    """A job was accepted: it is stored, and will run."""

    job_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    status: JobStatus = Field(description="`queued`.", examples=["queued"])
    message: str = Field(description="A sentence for people.", examples=["Accepted."])
    files_count: int = Field(description="Files of the job, those of `urls` included.", examples=[1])
    queue_position: int | None = Field(description="Its place among the queued jobs; 1 is next.", examples=[1])
    links: JobLinks


class JobFileView(Shape):
    """One file in one job."""

    file_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    filename: str = Field(description="Name to show.", examples=["call.wav"])
    status: FileStatus = Field(description="What became of it.", examples=["completed"])
    stage: Stage = Field(description="What is being done to it.", examples=["done"])
    progress: float = Field(description="0..100.", examples=[100.0])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    transcript_id: str | None = Field(description="Its transcript, when there is one.", examples=[EXAMPLE_ID])
    provider: str | None = Field(description="Who recognised it.", examples=["faster_whisper"])
    model: str | None = Field(description="With which model.", examples=["tiny.en"])
    providers_tried: list[str] = Field(description="In order.", examples=[["faster_whisper"]])


class JobView(Shape):
    """A job: what was asked, and how far it is."""

    job_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    status: JobStatus = Field(description="`completed`: at least one file is done.", examples=["completed"])
    progress: float = Field(description="0..100; never falls within an attempt; 100 only when completed.")
    stage: Stage = Field(description="What is being done.", examples=["done"])
    attempt: int = Field(description="How often it was begun.", examples=[1])
    current_file: str | None = Field(description="Name of the file in work.", examples=[None])
    total_files: int = Field(description="Files of the job.", examples=[1])
    files_failed: int = Field(description="Files that failed.", examples=[0])
    files: list[JobFileView] = Field(description="In the order of the request.")
    created_at: datetime = Field(description="When it was accepted.", examples=[EXAMPLE_MOMENT])
    started_at: datetime | None = Field(description="When work began.", examples=[EXAMPLE_MOMENT])
    completed_at: datetime | None = Field(description="When it ended, however it ended.", examples=[EXAMPLE_MOMENT])
    expires_at: datetime | None = Field(
        description="When its results go; null until it ended, or when they stay.", examples=[None]
    )
    not_before: datetime | None = Field(description="It waits until then.", examples=[None])
    queue_position: int | None = Field(
        description="Its place among the queued jobs; 1 is next; null when it is not queued, or waits for its time.",
        examples=[None],
    )
    priority: Priority = Field(description="Which queue it waits in.", examples=["normal"])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    waiting_for: str | None = Field(
        description="A stable word for what it waits for that is no fault of its own, such as `storage_full`, "
        "`blobs_unusable`, `model_unavailable`, `device_unavailable` or `rate_limited`; it goes on by itself.",
        examples=[None],
    )
    metadata: dict[str, Any] = Field(description="As it came.", examples=[{"call": 17}])
    flow_run_id: str | None = Field(description="Prefect's id of the run.", examples=[None])
    flow_run_url: str | None = Field(description="Prefect's page of the run.", examples=[None])
    stale_since: datetime | None = Field(
        description="Set while Prefect cannot be read: the status may be older than this.", examples=[None]
    )


class JobList(Shape):
    """A page of jobs."""

    jobs: list[JobView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class ToldFile(Shape):
    """One file of a job, as an event shows it."""

    file_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    status: FileStatus = Field(description="What became of it.", examples=["processing"])
    stage: Stage = Field(description="What is being done to it.", examples=["transcribing"])
    progress: float = Field(description="0..100.", examples=[47.2])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    transcript_id: str | None = Field(description="Its transcript, when there is one.", examples=[None])


class ToldJob(Shape):
    """The data of `progress`, `completed`, `failed` and `cancelled`: how the job is."""

    job_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    attempt: int = Field(description="How often it was begun.", examples=[1])
    status: JobStatus = Field(description="As in the job.", examples=["processing"])
    stage: Stage = Field(description="What is being done.", examples=["transcribing"])
    progress: float = Field(description="0..100.", examples=[47.2])
    files: list[ToldFile] = Field(description="In the order of the request.")
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])


class ToldPiece(Shape):
    """The data of `segment`: the words of a piece, in place of what came of that piece before."""

    job_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    file_id: str = Field(description="Whose words they are.", examples=[EXAMPLE_ID])
    piece: int = Field(description="Which piece of the file, from 0.", examples=[0])
    revision: int = Field(description="How often the piece was told, from 1.", examples=[1])
    segments: list[dict[str, Any]] = Field(
        description="As in the `json` result, on the recording's own time line; `id` counts within the piece."
    )
