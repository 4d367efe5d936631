"""A real app on a real SQLite store; clients without a network, and a real server where the network matters."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.deps import Parts
from speech.clock import now
from speech.codec import to_json
from speech.jobs import Job, JobStatus, Stage
from speech.settings import Settings
from speech.transcript import Segment, Transcript, Word
from storage.attempts import Outcome
from storage.ids import new_id
from storage.projection import Projection
from storage.store import Store
from storage.transcripts import TranscriptRow

BASE = "http://localhost"


@dataclass
class Desk:
    """An app, a client of it, and its store."""

    app: FastAPI
    client: httpx.AsyncClient
    store: Store
    settings: Settings

    @property
    def parts(self) -> Parts:
        return self.app.state.parts  # type: ignore[no-any-return]

    def blobs(self) -> list[str]:
        return self.store.blobs.keys()

    async def upload(self, *files: tuple[str, bytes]) -> list[str]:
        answer = await self.client.post("/api/v1/upload", files=[("files", file) for file in files])
        assert answer.status_code == 201, answer.text
        return list(answer.json()["file_ids"])

    async def transcribe(self, **body: Any) -> str:
        answer = await self.client.post("/api/v1/transcribe", json={"model": "tiny.en", **body})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@asynccontextmanager
async def opened(settings: Settings, **given: Any) -> AsyncIterator[Desk]:
    app = create_app(settings, **given)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60) as client:
            yield Desk(app, client, app.state.parts.store, settings)


@pytest.fixture(autouse=True, scope="package")
def quiet_logs() -> Iterator[None]:
    """Log lines are made and thrown away: unconfigured, structlog draws tracebacks with every local variable."""
    processors = [structlog.contextvars.merge_contextvars, structlog.processors.KeyValueRenderer()]
    with Path(os.devnull).open("w") as nowhere:
        structlog.configure(processors=processors, logger_factory=structlog.PrintLoggerFactory(nowhere))
        yield
    structlog.reset_defaults()


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    async with opened(settings) as desk:
        yield desk


@pytest.fixture
def changed(settings: Settings) -> Callable[..., Settings]:
    """The test's settings with some of them changed."""

    def change(**values: Any) -> Settings:
        return Settings(_env_file=None, **{**settings.model_dump(exclude_unset=True), **values})  # type: ignore[call-arg]

    return change


@pytest.fixture
def speech(jfk: Path) -> bytes:
    return jfk.read_bytes()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app behind a real socket on loopback; its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=5))
    answers = threading.Event()
    started = server.startup

    async def startup(sockets: Any = None) -> None:
        await started(sockets)
        answers.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, name="api", daemon=True)
    thread.start()
    try:
        assert answers.wait(60)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], str]]:
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(serving(create_app(settings)))


WORDS = ("And", "so,", "my", "fellow", "Americans")


def transcript_of(job: Job, file_id: str, filename: str, words: tuple[str, ...] = WORDS) -> Transcript:
    spoken = tuple(
        Word(start=index * 0.5, end=index * 0.5 + 0.4, text=text, space_before=index > 0)
        for index, text in enumerate(words)
    )
    segment = Segment(start=0.0, end=spoken[-1].end, text=" ".join(words), words=spoken, language="en")
    return Transcript(
        transcript_id=new_id(),
        job_id=job.job_id,
        file_id=file_id,
        filename=filename,
        duration=11.0,
        language="en",
        language_probability=0.98,
        provider="faster_whisper",
        model="tiny.en",
        model_digest="sha256:0",
        segments=(segment,),
    )


async def write_transcript(store: Store, owner_id: str, transcript: Transcript) -> TranscriptRow:
    key = f"owners/{owner_id}/transcripts/{transcript.transcript_id}/transcript.json"
    store.blobs.write(key, json.dumps(to_json(transcript)).encode())
    return TranscriptRow(
        transcript_id=transcript.transcript_id,
        owner_id=owner_id,
        job_id=transcript.job_id,
        file_id=transcript.file_id,
        filename=transcript.filename,
        duration=transcript.duration,
        language=transcript.language,
        language_probability=transcript.language_probability,
        segments_count=len(transcript.segments),
        words_count=len(transcript.words),
        speakers_count=len(transcript.speakers),
        blob_key=key,
        created_at=now(),
    )


async def complete(store: Store, job_id: str, *, owner_id: str = "default", failing: tuple[str, ...] = ()) -> Job:
    """Do what a worker and control do for a job: every file gets a transcript, but for ``failing`` file ids."""
    attempt = await store.attempts.begin(job_id, 1, "run-1")
    for file in attempt.job.files:
        await store.attempts.progress(attempt, file.file_id, Stage.TRANSCRIBING, 50)
        if file.file_id in failing:
            await store.attempts.file_failed(attempt, file.file_id, "invalid_audio", "It ends in the middle.")
            continue
        transcript = transcript_of(attempt.job, file.file_id, file.filename)
        row = await write_transcript(store, owner_id, transcript)
        await store.attempts.file_done(attempt, file.file_id, row, provider="faster_whisper", model="tiny.en")
    failed = len(failing) == len(attempt.job.files)
    status = JobStatus.FAILED if failed else JobStatus.COMPLETED
    error = "No file could be transcribed." if failed else None
    await store.attempts.finish(attempt, Outcome(status, error, "no_result" if failed else None))
    await store.jobs.project(
        job_id,
        1,
        Projection(status=status, stage=Stage.DONE, started_at=now(), completed_at=now(), error=error, error_code=None),
    )
    return await store.jobs.get(owner_id, job_id)


async def begin(store: Store, job_id: str) -> Job:
    """A worker has begun the job."""
    return (await store.attempts.begin(job_id, 1, "0d6f1b9e-run")).job
