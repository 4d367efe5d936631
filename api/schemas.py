"""What the API answers about recordings, transcripts and what there is to work with, as the contract names it.

Times are ISO 8601 UTC, positions float seconds. Jobs, batches, webhooks, health, ingests and speakers have rooms of
their own beside this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from speech.jobs import JobStatus

EXAMPLE_ID = "0193a1b2c3d47e6f8091a2b3c4d5e6f7"
EXAMPLE_MOMENT = "2026-05-04T09:30:00Z"
_DIGEST = "0c15f4d1a4bba8ec1b0f16e7e5b5b9fc4d5f3a3b6f1d0f2e8b8f7a6c5d4e3f21"


class Shape(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class FileView(Shape):
    """A recording that this server holds, or will fetch."""

    file_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    filename: str = Field(description="Name to show; never a path.", examples=["call.wav"])
    size_bytes: int = Field(description="Bytes.", examples=[352044])
    content_type: str = Field(description="As the client said; what decodes counts.", examples=["audio/wav"])
    duration: float | None = Field(description="Seconds; null where the container does not tell.", examples=[11.0])
    sample_rate: int | None = Field(description="Samples a second.", examples=[16000])
    channels: int | None = Field(description="Channels of the audio.", examples=[1])
    sha256: str | None = Field(description="Digest of the bytes, hexadecimal.", examples=[_DIGEST])


class StoredFileView(FileView):
    """The same, with the time when it came."""

    created_at: datetime = Field(description="When it came.", examples=[EXAMPLE_MOMENT])


class UploadView(Shape):
    """All files of an upload; when one is refused, none is kept."""

    file_ids: list[str] = Field(description="In the order of the upload.", examples=[[EXAMPLE_ID]])
    uploaded_at: datetime = Field(description="When all were stored.", examples=[EXAMPLE_MOMENT])
    files: list[FileView] = Field(description="In the order of the upload.")


class TranscriptView(Shape):
    """A transcript, without its words."""

    file_id: str | None = Field(description="The file that it is of.", examples=[EXAMPLE_ID])
    transcript_id: str = Field(description="Opaque id.", examples=[EXAMPLE_ID])
    filename: str = Field(description="Name to show.", examples=["call.wav"])
    duration: float = Field(description="Seconds.", examples=[11.0])
    language: str | None = Field(description="ISO 639 code.", examples=["en"])
    language_probability: float | None = Field(description="0..1, where it was detected.", examples=[0.99])
    segments_count: int = Field(examples=[2])
    words_count: int = Field(examples=[22])
    speakers_count: int = Field(examples=[0])
    available_formats: list[str] = Field(description="What it can be had as.", examples=[["json", "vtt", "srt"]])
    created_at: datetime = Field(examples=[EXAMPLE_MOMENT])


class TranscriptDetail(TranscriptView):
    """The same, with the job that it comes from; null for a live session."""

    job_id: str | None = Field(description="The job that it comes from.", examples=[EXAMPLE_ID])


class ResultsView(Shape):
    """The transcripts of a completed job; files that failed have none."""

    job_id: str = Field(examples=[EXAMPLE_ID])
    status: JobStatus = Field(examples=["completed"])
    results_count: int = Field(examples=[1])
    results: list[TranscriptView] = Field(description="In the order of the request.")


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
