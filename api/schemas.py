"""What the API answers, field by field, as the contract names it. Times are ISO 8601 UTC, positions float seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from speech.jobs import FileStatus, JobStatus, Stage
from speech.options import Priority

_ID = "0193a1b2c3d47e6f8091a2b3c4d5e6f7"
_MOMENT = "2026-05-04T09:30:00Z"
_DIGEST = "0c15f4d1a4bba8ec1b0f16e7e5b5b9fc4d5f3a3b6f1d0f2e8b8f7a6c5d4e3f21"


class Shape(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class FileView(Shape):
    """A recording that this server holds, or will fetch."""

    file_id: str = Field(description="Opaque id.", examples=[_ID])
    filename: str = Field(description="Name to show; never a path.", examples=["call.wav"])
    size_bytes: int = Field(description="Bytes.", examples=[352044])
    content_type: str = Field(description="As the client said; what decodes counts.", examples=["audio/wav"])
    duration: float | None = Field(description="Seconds; null where the container does not tell.", examples=[11.0])
    sample_rate: int | None = Field(description="Samples a second.", examples=[16000])
    channels: int | None = Field(description="Channels of the audio.", examples=[1])
    sha256: str | None = Field(description="Digest of the bytes, hexadecimal.", examples=[_DIGEST])


class StoredFileView(FileView):
    """The same, with the time when it came."""

    created_at: datetime = Field(description="When it came.", examples=[_MOMENT])


class UploadView(Shape):
    """All files of an upload; when one is refused, none is kept."""

    file_ids: list[str] = Field(description="In the order of the upload.", examples=[[_ID]])
    uploaded_at: datetime = Field(description="When all were stored.", examples=[_MOMENT])
    files: list[FileView] = Field(description="In the order of the upload.")


class JobLinks(Shape):
    """Where to go on."""

    self: str = Field(description="The job.", examples=[f"/api/v1/jobs/{_ID}"])
    results: str = Field(description="Its results, once it is completed.", examples=[f"/api/v1/results/{_ID}"])
    events: str | None = Field(None, description="Its events, as they happen.", examples=[f"/api/v1/jobs/{_ID}/events"])


class AcceptedView(Shape):
    """A job was accepted: it is stored, and will run."""

    job_id: str = Field(description="Opaque id.", examples=[_ID])
    status: JobStatus = Field(description="`queued`.", examples=["queued"])
    message: str = Field(description="A sentence for people.", examples=["Accepted."])
    files_count: int = Field(description="Files of the job, those of `urls` included.", examples=[1])
    queue_position: int | None = Field(description="Its place among the queued jobs; 1 is next.", examples=[1])
    links: JobLinks


class JobFileView(Shape):
    """One file in one job."""

    file_id: str = Field(description="Opaque id.", examples=[_ID])
    filename: str = Field(description="Name to show.", examples=["call.wav"])
    status: FileStatus = Field(description="What became of it.", examples=["completed"])
    stage: Stage = Field(description="What is being done to it.", examples=["done"])
    progress: float = Field(description="0..100.", examples=[100.0])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    transcript_id: str | None = Field(description="Its transcript, when there is one.", examples=[_ID])
    provider: str | None = Field(description="Who recognised it.", examples=["faster_whisper"])
    model: str | None = Field(description="With which model.", examples=["tiny.en"])
    providers_tried: list[str] = Field(description="In order.", examples=[["faster_whisper"]])


class JobView(Shape):
    """A job: what was asked, and how far it is."""

    job_id: str = Field(description="Opaque id.", examples=[_ID])
    status: JobStatus = Field(description="`completed`: at least one file is done.", examples=["completed"])
    progress: float = Field(description="0..100; never falls within an attempt; 100 only when completed.")
    stage: Stage = Field(description="What is being done.", examples=["done"])
    attempt: int = Field(description="How often it was begun.", examples=[1])
    current_file: str | None = Field(description="Name of the file in work.", examples=[None])
    total_files: int = Field(description="Files of the job.", examples=[1])
    files_failed: int = Field(description="Files that failed.", examples=[0])
    files: list[JobFileView] = Field(description="In the order of the request.")
    created_at: datetime = Field(description="When it was accepted.", examples=[_MOMENT])
    started_at: datetime | None = Field(description="When work began.", examples=[_MOMENT])
    completed_at: datetime | None = Field(description="When it ended, however it ended.", examples=[_MOMENT])
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

    file_id: str = Field(description="Opaque id.", examples=[_ID])
    status: FileStatus = Field(description="What became of it.", examples=["processing"])
    stage: Stage = Field(description="What is being done to it.", examples=["transcribing"])
    progress: float = Field(description="0..100.", examples=[47.2])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])
    transcript_id: str | None = Field(description="Its transcript, when there is one.", examples=[None])


class ToldJob(Shape):
    """The data of `progress`, `completed`, `failed` and `cancelled`: how the job is."""

    job_id: str = Field(description="Opaque id.", examples=[_ID])
    attempt: int = Field(description="How often it was begun.", examples=[1])
    status: JobStatus = Field(description="As in the job.", examples=["processing"])
    stage: Stage = Field(description="What is being done.", examples=["transcribing"])
    progress: float = Field(description="0..100.", examples=[47.2])
    files: list[ToldFile] = Field(description="In the order of the request.")
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])


class ToldPiece(Shape):
    """The data of `segment`: the words of a piece, in place of what came of that piece before."""

    job_id: str = Field(description="Opaque id.", examples=[_ID])
    file_id: str = Field(description="Whose words they are.", examples=[_ID])
    piece: int = Field(description="Which piece of the file, from 0.", examples=[0])
    revision: int = Field(description="How often the piece was told, from 1.", examples=[1])
    segments: list[dict[str, Any]] = Field(
        description="As in the `json` result, on the recording's own time line; `id` counts within the piece."
    )


class BatchLinks(Shape):
    """Where to go on."""

    self: str = Field(description="The batch.", examples=[f"/api/v1/batches/{_ID}"])


class BatchAcceptedView(Shape):
    """All jobs of a batch were accepted."""

    batch_id: str = Field(description="Opaque id.", examples=[_ID])
    job_ids: list[str] = Field(description="In the order of the items.", examples=[[_ID]])
    links: BatchLinks


class BatchSummary(Shape):
    """A batch, summed up."""

    batch_id: str = Field(description="Opaque id.", examples=[_ID])
    created_at: datetime = Field(description="When it was accepted.", examples=[_MOMENT])
    jobs_count: int = Field(description="How many jobs it was made of.", examples=[2])
    counts: dict[JobStatus, int] = Field(
        description="How many jobs are in which status.", examples=[{"completed": 1, "processing": 1}]
    )
    progress: float = Field(description="0..100; a job that ended, however it ended, counts as done.", examples=[75.0])
    finished: bool = Field(description="Whether all jobs have ended.", examples=[False])


class BatchJobView(Shape):
    """One job of a batch."""

    job_id: str = Field(description="Opaque id.", examples=[_ID])
    position: int = Field(description="Its item's place, from 0.", examples=[0])
    status: JobStatus = Field(description="How it is.", examples=["completed"])
    progress: float = Field(description="0..100.", examples=[100.0])
    error: str | None = Field(description="A sentence, when it failed.", examples=[None])
    error_code: str | None = Field(description="A stable word, when it failed.", examples=[None])


class BatchView(BatchSummary):
    """A batch with a page of its jobs."""

    jobs: list[BatchJobView] = Field(description="In the order of the items.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class BatchList(Shape):
    """A page of batches."""

    batches: list[BatchSummary] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class TranscriptView(Shape):
    """A transcript, without its words."""

    file_id: str | None = Field(description="The file that it is of.", examples=[_ID])
    transcript_id: str = Field(description="Opaque id.", examples=[_ID])
    filename: str = Field(description="Name to show.", examples=["call.wav"])
    duration: float = Field(description="Seconds.", examples=[11.0])
    language: str | None = Field(description="ISO 639 code.", examples=["en"])
    language_probability: float | None = Field(description="0..1, where it was detected.", examples=[0.99])
    segments_count: int = Field(examples=[2])
    words_count: int = Field(examples=[22])
    speakers_count: int = Field(examples=[0])
    available_formats: list[str] = Field(description="What it can be had as.", examples=[["json", "vtt", "srt"]])
    created_at: datetime = Field(examples=[_MOMENT])


class TranscriptDetail(TranscriptView):
    """The same, with the job that it comes from; null for a live session."""

    job_id: str | None = Field(description="The job that it comes from.", examples=[_ID])


class ResultsView(Shape):
    """The transcripts of a completed job; files that failed have none."""

    job_id: str = Field(examples=[_ID])
    status: JobStatus = Field(examples=["completed"])
    results_count: int = Field(examples=[1])
    results: list[TranscriptView] = Field(description="In the order of the request.")


class DeliveryView(Shape):
    """A webhook: what was tried, and what is to come."""

    id: str = Field(description="Its `webhook-id`, the same at every try.", examples=["msg_0193a1b2c3d47e6f8091"])
    event: str = Field(description="Which end of the job it tells.", examples=["completed"])
    url: str | None = Field(
        description="Where it goes, without its query; null once the job's results are gone.",
        examples=["https://example.com/hook"],
    )
    status: Literal["due", "delivered", "failed", "cancelled"] = Field(description="`due` while it is still tried.")
    tries: int = Field(description="How often it was sent.", examples=[1])
    last_status: int | None = Field(description="The HTTP status of the last answer.", examples=[200])
    last_error: str | None = Field(description="Why the last try failed.", examples=[None])
    created_at: datetime = Field(description="When the job ended.", examples=[_MOMENT])
    next_try_at: datetime | None = Field(description="When it is sent next.", examples=[None])
    delivered_at: datetime | None = Field(description="When the other side took it.", examples=[_MOMENT])


class DeliveryList(Shape):
    """A page of deliveries."""

    deliveries: list[DeliveryView] = Field(description="The newest first.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class WebhookSecretView(Shape):
    """What webhooks are signed with, without itself."""

    secret_id: str = Field(description="Opaque id.", examples=[_ID])
    created_at: datetime = Field(description="When it was made.", examples=[_MOMENT])
    retires_at: datetime | None = Field(description="It signs until then; null: until it is replaced.", examples=[None])
    revoked_at: datetime | None = Field(description="Since when it signs nothing.", examples=[None])


class NewWebhookSecretView(WebhookSecretView):
    """A new one. It is shown this once."""

    secret: str = Field(description="Give it to what receives the webhooks.", examples=["whsec_..."])


class WebhookSecretList(Shape):
    """A page of signing secrets."""

    secrets: list[WebhookSecretView] = Field(description="The oldest first.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class ProviderList(Shape):
    """A page of providers."""

    providers: list[dict[str, Any]] = Field(
        description="Name, title, capabilities, languages, schema of `parameters`, default model, and whether it is "
        "available, or why not and how to mend it."
    )
    steps: dict[str, list[dict[str, Any]]] = Field(
        description="Who diarizes, aligns and punctuates, by the part of a request that asks for it: name, title, "
        "languages (null: any), and whether it is available, or why not and how to mend it."
    )
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class ModelList(Shape):
    """A page of models."""

    models: list[dict[str, Any]] = Field(description="Name, provider, languages, source, and whether it is on disk.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


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
