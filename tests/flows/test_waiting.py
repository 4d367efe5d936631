"""What is this server's own trouble fails no job: it waits, says for what, and goes on; and at last it fails of it."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from flows.attempt import FOR_NEWER_SECONDS
from flows.transcribe import TROUBLE_SECONDS
from orchestration.states import error_of
from speech.errors import (
    DeviceUnavailable,
    ModelNotInstalled,
    ModelUnavailable,
    ProviderUnavailable,
    SpeechError,
    StorageFull,
)
from speech.jobs import FileStatus, Job, JobStatus
from storage.blobs import Blobs, BlobsUnusable
from storage.errors import DatabaseUnusable
from storage.parts import Parts
from storage.tables import jobs
from tasks.work import FileWork
from tests.flows.conftest import Bench, Scripted, failing, tries

pytestmark = pytest.mark.prefect


@pytest.fixture(autouse=True)
def _no_tries_on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seven seconds."""
    for step in ("fetch", "prepare", "recognise", "assemble", "render"):
        monkeypatch.setattr(f"tasks.steps.{step}.retries", 0)


def waits(bench: Bench, job: Job) -> str | None:
    """Run the job, which lets go of its run and shows no error; the code of what it waits for."""
    assert bench.run(job) is None
    found = bench.job(job)
    (file,) = found.files
    assert (found.error, found.error_code, file.error, file.error_code) == (None, None, None, None)
    assert file.status is not FileStatus.FAILED
    assert not found.status.finished
    return found.waiting_for


def completes(bench: Bench, job: Job) -> bool:
    state = bench.run(job)
    return state is not None and state.is_completed() and bench.job(job).waiting_for is None


def allow(bench: Bench, **seconds: float) -> None:
    object.__setattr__(bench.runtime, "settings", bench.runtime.settings.model_copy(update=seconds))


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "storage_full"), (errno.EIO, "disk_unusable"), (errno.ENOENT, "disk_unusable")]
)
def test_a_spool_that_takes_no_folder(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def sick(*given: Any, **named: Any) -> str:
        raise OSError(number, "Sick")

    job = bench.submitted(file_ids=bench.stored(jfk))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pipeline.spools.tempfile.mkdtemp", sick)
        assert waits(bench, job) == code
    assert bench.parting.trouble == code
    assert not bench.parting.begun
    assert 5 < (bench.parting.wait_seconds or 0) < 15
    assert completes(bench, job)


@pytest.mark.parametrize("step", ["read", "write"])
def test_a_blob_store_that_is_away(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def away(*given: Any) -> Any:
        raise BlobsUnusable("The bucket does not answer.")

    job = bench.submitted(file_ids=bench.stored(jfk))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Blobs, step, away)
        assert waits(bench, job) == "blobs_unusable"
    assert bench.parting.trouble == "blobs_unusable"
    assert completes(bench, job)


def test_a_disk_that_fails_under_a_step(bench: Bench, jfk: Path) -> None:
    failing(OSError(errno.EIO, "the text that was spoken"))
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert waits(bench, job) == "disk_unusable"
    assert completes(bench, job)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (DeviceUnavailable("No GPU.", "scripted"), "device_unavailable"),
        (ProviderUnavailable("Too little memory.", "scripted"), None),
        (ModelUnavailable("The hub is away."), None),
    ],
)
def test_a_device_and_a_model_that_are_away(bench: Bench, jfk: Path, error: SpeechError, trouble: str | None) -> None:
    failing(error)
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert waits(bench, job) == error.code
    assert bench.parting.trouble == trouble  # what is one model's alone is no reason to take no other jobs
    assert completes(bench, job)
    assert bench.job(job).attempt == 2


def test_a_provider_of_others_that_is_away_is_not_our_trouble(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "capabilities", replace(Scripted.capabilities, local=False))
    failing(ProviderUnavailable("Their server is down.", "scripted"))
    job = bench.submitted(file_ids=bench.stored(jfk))
    state = bench.run(job)
    assert state is not None
    assert state.message == "provider_unavailable"
    assert bench.parting.trouble is None


def test_a_model_that_cannot_come_fails_the_job_at_once(bench: Bench, jfk: Path) -> None:
    failing(ModelNotInstalled("The model is not here, and the hub may not be asked."))
    job = bench.submitted(file_ids=bench.stored(jfk))
    state = bench.run(job)
    assert state is not None
    assert state.message == "model_not_installed"
    assert bench.job(job).error == "The model is not here, and the hub may not be asked."
    assert tries() == 1


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("model_wait_seconds", ModelUnavailable("The hub is away.")),
        ("outage_wait_seconds", StorageFull("The disk is full.")),
    ],
)
def test_nobody_waits_for_ever(bench: Bench, jfk: Path, setting: str, error: SpeechError) -> None:
    allow(bench, **{setting: 15.0})
    failing(*[type(error)(error.message) for _ in range(9)])
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert waits(bench, job) == error.code
    assert waits(bench, job) == error.code
    state = bench.run(job)
    assert state is not None
    assert (state.is_failed(), state.message) == (True, error.code)
    assert (bench.job(job).error, bench.job(job).waiting_for) == (error.message, None)
    assert bench.job(job).status is JobStatus.PROCESSING  # control says that it failed, when it sees the run's end


def all_wait(bench: Bench, job: Job) -> list[FileStatus]:
    """Run a job of several files, which lets go of its run; how the files are then."""
    assert bench.run(job) is None
    found = bench.job(job)
    assert (found.error, found.status.finished) == (None, False)
    return [file.status for file in found.files]


def full(monkeypatch: pytest.MonkeyPatch, sick: Callable[[int], bool]) -> list[int]:
    """Let the disk of the spool be full for some of the files that ask for a folder; as many as have asked."""
    mkdtemp, asked = tempfile.mkdtemp, list[int]()

    def perhaps(*given: Any, **named: Any) -> str:
        asked.append(len(asked))
        if sick(asked[-1]):
            raise OSError(errno.ENOSPC, "Full")
        return mkdtemp(*given, **named)

    monkeypatch.setattr("pipeline.spools.tempfile.mkdtemp", perhaps)
    return asked


def test_a_file_that_waits_holds_up_no_others(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk, jfk, jfk))
    with monkeypatch.context() as meanwhile:
        full(meanwhile, lambda asked: asked == 1)
        found = all_wait(bench, job)
    assert found[0] is found[2] is FileStatus.COMPLETED
    assert found[1] is not FileStatus.FAILED
    assert (bench.job(job).waiting_for, bench.parting.trouble) == ("storage_full", "storage_full")
    assert 5 < (bench.parting.wait_seconds or 0) < 15
    assert completes(bench, job)


def test_patience_begins_anew_with_each_file_that_is_done(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(bench, outage_wait_seconds=5.0)
    job = bench.submitted(file_ids=bench.stored(jfk, jfk))
    with monkeypatch.context() as meanwhile:
        asked = full(meanwhile, lambda asked: asked != 2)
        assert FileStatus.FAILED not in all_wait(bench, job)
        assert len(asked) == 2
        found = all_wait(bench, job)
        assert FileStatus.COMPLETED in found
        assert FileStatus.FAILED not in found
    assert completes(bench, job)


def test_a_server_that_is_sick_is_not_asked_for_each_of_many_files(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(file_ids=bench.stored(*[jfk] * 5))
    tried: list[str] = []

    @contextmanager
    def noted(self: FileWork) -> Iterator[None]:
        tried.append(self.file.file_id)
        with opened(self):
            yield

    opened = FileWork.opened
    with monkeypatch.context() as meanwhile:
        full(meanwhile, lambda asked: True)
        meanwhile.setattr(FileWork, "opened", noted)
        all_wait(bench, job)
        all_wait(bench, job)
    assert [file_id[:6] for file_id in tried] == ["file-0", "file-1", "file-2", "file-3", "file-4", "file-0"]


def test_waits_grow_and_those_of_one_kind_do_not_shorten_anothers(bench: Bench, jfk: Path) -> None:
    allow(bench, model_wait_seconds=15.0)
    failing(*[StorageFull("Full.") for _ in range(5)], ModelUnavailable("Away."))
    job = bench.submitted(file_ids=bench.stored(jfk))
    seconds = []
    for _ in range(5):
        assert waits(bench, job) == "storage_full"
        seconds.append(bench.parting.wait_seconds or 0.0)
    assert seconds[4] > 3 * seconds[0]
    assert waits(bench, job) == "model_unavailable"
    assert completes(bench, job)


def test_a_database_that_is_away_before_a_step_is_waited_for_and_at_last_the_run_crashes(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk))
    with monkeypatch.context() as patch:

        async def away(*_: object, **__: object) -> None:
            raise DatabaseUnusable("Too many connections.")

        patch.setattr(Parts, "at_work", away)
        assert bench.run(job) is None
        assert (bench.parting.wait_seconds, bench.parting.begun) == (TROUBLE_SECONDS, False)
        assert bench.parting.trouble == "database_unusable"
        allow(bench, outage_wait_seconds=0.0)
        state = bench.run(job)
        assert state is not None
        assert state.is_crashed()
    assert completes(bench, job)


def of_a_newer_version(bench: Bench, job: Job) -> None:
    """Store the job's request as a version would that is still to come."""

    async def write() -> None:
        async with bench.runtime.store.database.writing() as connection:
            change = update(jobs).where(jobs.c.job_id == job.job_id)
            await connection.execute(change.values(specification_version=99))

    bench.runtime.wait(write())


def test_what_only_a_newer_worker_understands_waits_for_one_and_at_last_says_so(bench: Bench, jfk: Path) -> None:
    allow(bench, outage_wait_seconds=100.0)
    job = bench.submitted(file_ids=bench.stored(jfk))
    of_a_newer_version(bench, job)
    for _ in range(2):
        assert bench.run(job) is None
        assert (bench.parting.wait_seconds, bench.parting.begun) == (FOR_NEWER_SECONDS, False)
        found = bench.job(job)
        assert (found.status, found.waiting_for, found.attempt) == (
            JobStatus.QUEUED,
            "specification_unreadable",
            job.attempt,
        )
    state = bench.run(job)
    assert state is not None
    assert state.is_failed()
    code, sentence = error_of(state.message)
    assert (code, "newer version" in (sentence or "")) == ("specification_unreadable", True)
