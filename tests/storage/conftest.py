"""Stores on both databases, and the rows that most tests start from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import insert

from speech.clock import now
from speech.jobs import Job, StoredFile
from speech.options import TranscribeRequest
from speech.settings import Settings
from storage.attempts import Attempt
from storage.ids import new_id
from storage.store import Store
from storage.tables import owners
from storage.transcripts import TranscriptRow
from tests.postgres_server import emptied, postgres_database, postgres_url

__all__ = ["postgres_database", "postgres_url"]

OWNER = "default"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a new installation, on each database."""
    if request.param == "sqlite":
        return make_settings(tmp_path)
    return make_settings(tmp_path, emptied(request.getfixturevalue("postgres_database")))


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    """Settings of a new installation on SQLite."""
    return make_settings(tmp_path)


@pytest.fixture
async def store(store_settings: Settings) -> AsyncIterator[Store]:
    """A migrated store, on each database."""
    opened = Store.open(store_settings)
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
def desk(store: Store) -> Desk:
    """Short ways to the rows that tests start from."""
    return Desk(store)


@dataclass
class Desk:
    """Makes rows as the product would, with as few words as possible."""

    store: Store
    owner: str = OWNER
    made: list[str] = field(default_factory=list)

    async def file(self, filename: str = "talk.wav", owner: str = OWNER) -> str:
        file_id = new_id()
        key = f"owners/{owner}/files/{file_id}/audio"
        self.store.blobs.write(key, b"audio of " + file_id.encode())
        row = StoredFile(file_id, owner, filename, 5, "audio/wav", 1.0, 16000, 1, "0" * 64, key, now())
        await self.store.files.add(row)
        return file_id

    async def job(self, files: int = 1, *, max_unfinished: int = 1000, **request: object) -> Job:
        ids = [await self.file(f"talk-{index}.wav") for index in range(files)]
        asked = TranscribeRequest.model_validate({"file_ids": ids, **request})
        return await self.store.jobs.create(self.owner, asked, max_unfinished=max_unfinished)

    async def running(self, files: int = 1, **request: object) -> tuple[Job, Attempt]:
        job = await self.job(files, **request)
        await self.store.jobs.submitted(job.job_id, 1, f"run-{job.job_id}")
        attempt = await self.store.attempts.begin(job.job_id, 1, f"run-{job.job_id}")
        return attempt.job, attempt

    async def fresh(self, job: Job) -> Job:
        return await self.store.jobs.get(job.owner_id, job.job_id)

    async def lose(self, job: Job) -> bool:
        """The job's run, the newest one, is gone."""
        lost = await self.fresh(job)
        return await self.store.jobs.resubmit(job.job_id, lost.submission, lost.flow_run_id)

    def transcript(self, job: Job, position: int = 0, transcript_id: str | None = None) -> TranscriptRow:
        """A transcript's row, its blob written."""
        name = transcript_id or new_id()
        key = f"owners/{job.owner_id}/transcripts/{name}/transcript.json"
        self.store.blobs.write(key, b'{"text": "planted phrase"}')
        file = job.files[position]
        return TranscriptRow(
            name, job.owner_id, job.job_id, file.file_id, file.filename, 1.0, "en", 0.99, 1, 2, 0, key, now()
        )

    async def done(self, attempt: Attempt, position: int = 0, transcript_id: str | None = None) -> TranscriptRow:
        row = self.transcript(attempt.job, position, transcript_id)
        await self.store.attempts.file_done(attempt, row.file_id or "", row, provider="fake", model="tiny")
        return row

    async def outbox(self) -> list[tuple[str, str, int]]:
        return [(str(row.kind), row.job_id, row.submission) for row in await self.store.outbox.due()]

    async def all_told(self) -> None:
        """Control did everything that the outbox asks for."""
        for row in await self.store.outbox.due():
            await self.store.outbox.done(row.id)

    async def add_owner(self, owner_id: str) -> None:
        async with self.store.database.writing() as connection:
            await connection.execute(insert(owners).values(owner_id=owner_id, created_at=now()))


def make_settings(folder: Path, database_url: str | None = None) -> Settings:
    return Settings(_env_file=None, data_dir=folder / "data", database_url=database_url)  # type: ignore[call-arg]
