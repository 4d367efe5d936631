"""Whatever order clients, workers and control act in, a job keeps its promises."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speech.clock import now
from speech.errors import AttemptSuperseded, JobCancelled
from speech.jobs import FileStatus, Job, JobStatus, Stage, lawful
from storage.attempts import Attempt, Outcome
from storage.errors import JobFinished, JobNotFinished, NothingToRetry
from storage.projection import Projection
from storage.store import Store
from tests.storage.conftest import OWNER, Desk, make_settings

REPORTED = [status for status in JobStatus if status is not JobStatus.EXPIRED]


class JobMachine(RuleBasedStateMachine):
    """One job of two files, acted upon at random."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.store = Store.open(make_settings(Path(self.folder.name)))
        self.wait(self.store.migrate())
        self.desk = Desk(self.store)
        self.job: Job = self.wait(self.desk.job(2))
        self.before = self.job
        self.attempts: list[Attempt] = []

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.wait(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @rule()
    def submit(self) -> None:
        for row in self.wait(self.store.outbox.due()):
            if row.kind == "submit":
                self.wait(self.store.jobs.submitted(row.job_id, row.submission, f"run-{row.submission}"))
            self.wait(self.store.outbox.done(row.id))

    @rule(behind=st.integers(0, 1), reopen=st.booleans())
    def begin(self, behind: int, reopen: bool) -> None:
        submission = self.before.submission - behind
        try:
            attempt = self.wait(self.store.attempts.begin(self.job.job_id, submission, "run", reopen=reopen))
        except (AttemptSuperseded, JobCancelled):
            return
        assert behind == 0
        assert attempt.number >= self.before.attempt
        self.attempts.append(attempt)

    @precondition(lambda self: self.attempts)
    @rule(
        data=st.data(), file=st.integers(0, 1), value=st.floats(0, 100), done=st.sampled_from(["some", "all", "failed"])
    )
    def work(self, data: st.DataObject, file: int, value: float, done: str) -> None:
        attempt = data.draw(st.sampled_from(self.attempts))
        file_id = self.job.files[file].file_id
        newest = attempt is self.attempts[-1]
        try:
            if done == "some":
                self.wait(self.store.attempts.progress(attempt, file_id, Stage.TRANSCRIBING, value))
            elif done == "all":
                self.wait(self.desk.done(attempt, file))
            else:
                self.wait(self.store.attempts.file_failed(attempt, file_id, "invalid_audio", "No audio."))
        except AttemptSuperseded:
            return
        assert newest
        assert not self.before.status.finished

    @precondition(lambda self: self.attempts)
    @rule(status=st.sampled_from([JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]))
    def finish(self, status: JobStatus) -> None:
        try:
            self.wait(self.store.attempts.finish(self.attempts[-1], Outcome(status)))
        except AttemptSuperseded:
            return

    @rule(status=st.sampled_from(REPORTED), behind=st.integers(0, 1), paused=st.booleans(), known=st.booleans())
    def project(self, status: JobStatus, behind: int, paused: bool, known: bool) -> None:
        seen = Projection(status, Stage.PAUSED if paused else None, now() if known else None, observed_at=now())
        changed = self.wait(self.store.jobs.project(self.job.job_id, self.before.submission - behind, seen))
        assert not (changed and behind)

    @rule()
    def cancel(self) -> None:
        try:
            job = self.wait(self.store.jobs.request_cancel(OWNER, self.job.job_id))
        except JobFinished:
            assert self.before.status in (JobStatus.COMPLETED, JobStatus.FAILED)
            return
        assert job.status in (JobStatus.CANCELLED, JobStatus.CANCELLING)

    @rule()
    def retry(self) -> None:
        try:
            job = self.wait(self.store.jobs.retry(OWNER, self.job.job_id, max_unfinished=10))
        except (JobNotFinished, NothingToRetry):
            return
        assert self.before.status.finished
        assert (job.status, job.attempt) == (JobStatus.QUEUED, self.before.attempt + 1)
        assert job.submission == self.before.submission + 1

    @rule()
    def lose(self) -> None:
        self.wait(self.store.jobs.resubmit(self.job.job_id, self.before.submission, self.before.flow_run_id))

    @invariant()
    def keeps_its_promises(self) -> None:
        if not hasattr(self, "runner"):
            return
        job, before = self.wait(self.store.jobs.get(OWNER, self.job.job_id)), self.before
        self.before = job
        lost = job.submission > before.submission
        reopened = job.attempt > before.attempt
        assert lost or reopened or lawful(before.status, job.status), (before.status, job.status)
        assert job.attempt >= before.attempt
        assert job.attempt > before.attempt or job.progress >= before.progress
        assert (job.progress == 100) == (job.status is JobStatus.COMPLETED)
        if job.status is JobStatus.PROCESSING:
            assert job.started_at is not None
        if before.started_at is not None:
            assert job.started_at == before.started_at
        self.ends_whole(job)
        self.is_told(job)

    def is_told(self, job: Job) -> None:
        """The log has no gap, one end exactly when the job has ended, and says last how the job is."""
        entries = self.wait(self.store.events.after(job.job_id, 0, 10_000))
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        ends = [entry for entry in entries if entry.kind.is_end]
        assert ends == ([entries[-1]] if job.status.finished else [])
        last = json.loads(entries[-1].data)
        assert (last["status"], last["attempt"], last["stage"]) == (job.status, job.attempt, job.stage)
        assert [file["status"] for file in last["files"]] == [file.status for file in job.files]

    def ends_whole(self, job: Job) -> None:
        assert (job.completed_at is not None) == job.status.finished
        unfinished = {FileStatus.QUEUED, FileStatus.PROCESSING} & {file.status for file in job.files}
        assert not (job.status.finished and unfinished)
        completed = [file for file in job.files if file.status is FileStatus.COMPLETED]
        assert job.status is not JobStatus.COMPLETED or completed
        rows = self.wait(self.store.transcripts.of_job(OWNER, job.job_id))
        assert {file.transcript_id for file in completed} <= {row.transcript_id for row in rows}


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
