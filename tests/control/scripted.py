"""A flow that does what its job's metadata say, through real storage, without any audio."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from orchestration.handover import asked_to_leave, let_go
from speech.clock import now
from speech.errors import AttemptSuperseded, JobCancelled
from storage.attempts import Attempt
from storage.ids import new_id
from storage.store import Store
from storage.transcripts import TranscriptRow
from tasks.current import current


class _Desk:
    """A store for one thread."""

    def __init__(self) -> None:
        self.store = Store.open(current().settings)
        self.loop = asyncio.new_event_loop()

    def __call__(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        self(self.store.close())
        self.loop.close()


@flow(name="scripted", persist_result=False, validate_parameters=False)
def scripted(job_id: str, submission: int) -> State[Any]:
    """``wait``: for the file named so. ``fail``: with that message while it is there. ``die``: by SIGKILL."""
    desk = _Desk()
    try:
        return _run(desk, job_id, submission, str(flow_run.id), again=flow_run.run_count > 1)
    finally:
        desk.close()


def _run(desk: _Desk, job_id: str, submission: int, run_id: str, *, again: bool) -> State[Any]:
    try:
        attempt: Attempt = desk(desk.store.attempts.begin(job_id, submission, run_id, reopen=again))
    except JobCancelled as reason:
        return Cancelled(message=reason.message)
    except AttemptSuperseded as reason:
        let_go(reason.message)
    script = attempt.job.metadata
    if "count" in script:
        with Path(script["count"]).open("a") as file:
            file.write(f"{attempt.number}\n")
    if "die" in script:
        os.kill(os.getpid(), 9)
    if "fail" in script and not Path(script["fail"]).exists():
        return Failed(message="invalid_audio: It is broken.")
    if "wait" in script and not _wait(desk, job_id, Path(script["wait"])):
        if asked_to_leave():
            let_go("The worker leaves.")
        return Cancelled(message="The job was cancelled.")
    desk(_done(desk.store, attempt))
    return Completed(message="Done.")


def _wait(desk: _Desk, job_id: str, for_file: Path) -> bool:
    while not for_file.exists():
        if asked_to_leave() or desk(desk.store.attempts.cancel_requested(job_id)):
            return False
        time.sleep(0.05)
    return True


async def _done(store: Store, attempt: Attempt) -> None:
    for file in attempt.job.files:
        row = TranscriptRow(
            transcript_id=new_id(),
            owner_id=attempt.job.owner_id,
            job_id=attempt.job.job_id,
            file_id=file.file_id,
            filename=file.filename,
            duration=1.0,
            language="en",
            language_probability=1.0,
            segments_count=1,
            words_count=1,
            speakers_count=0,
            blob_key=f"owners/{attempt.job.owner_id}/transcripts/x/transcript.json",
            created_at=now(),
        )
        await store.attempts.file_done(attempt, file.file_id, row, provider="scripted", model="none")
