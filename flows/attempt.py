"""One attempt at a job: taken up, gone through file by file, concluded."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator

from pipeline.runtime import Runtime
from speech.clock import now
from speech.errors import JobTimedOut, SpeechError
from speech.jobs import FileStatus, JobFile, JobStatus
from storage.attempts import Attempt, Outcome
from storage.errors import LimitReached, SpecificationUnreadable
from storage.waits import Wait
from tasks.patience import VERSION, FileMustWait, MustWait
from tasks.work import FileWork

LOOK_AGAIN_SECONDS = 2.0
"""After how long a run looks again that others were quicker than: workers do not take more than fit."""
MOST_HELD_UP = 3
"""After so many files that have to wait the rest is not tried: then it is hardly them. An attempt later it is the turn
of others to be first."""
FOR_NEWER_SECONDS = 60.0
"""For how long a run is left alone that a worker does not understand: the next to take it may be a newer one."""


def begin(runtime: Runtime, job_id: str, submission: int, flow_run_id: str, *, again: bool) -> Attempt:
    """Take the job up; what an earlier attempt at it still does no longer counts.

    ``again`` says that the run was started before: a job that has ended runs again when somebody restarted its run.

    Raises:
        AttemptSuperseded: when the job was submitted anew since, or is finished.
        JobCancelled: when somebody cancelled it before it began.
        MustWait: when others have to end first, or a worker of a newer version has to come.
        SpecificationUnreadable: when none has come for as long as the settings say.

    """
    try:
        return runtime.wait(runtime.store.attempts.begin(job_id, submission, flow_run_id, reopen=again))
    except LimitReached as reason:
        raise MustWait(LOOK_AGAIN_SECONDS, reason.message, begun=False) from None
    except SpecificationUnreadable as reason:
        _leave_to_newer(runtime, job_id, submission, reason)
        raise


def _leave_to_newer(runtime: Runtime, job_id: str, submission: int, reason: SpecificationUnreadable) -> None:
    """While workers are upgraded, one after the other, an old one may meet what only a new one knows: MustWait."""
    wait = Wait(VERSION, FOR_NEWER_SECONDS, reason.code)
    if runtime.wait(runtime.store.waits.put_off(job_id, submission, wait)) < runtime.settings.outage_wait_seconds:
        raise MustWait(wait.seconds, "It waits for a worker of a newer version.", begun=False) from None


def go_through(runtime: Runtime, attempt: Attempt, transcribe: Callable[[FileWork], None]) -> None:
    """Transcribe the files that are not finished. One that has to wait does not hold up the others.

    Raises:
        MustWait: when one has to wait, and the others have had their turn.

    """
    held_up: list[Wait] = []
    for work in unfinished(runtime, attempt):
        try:
            transcribe(work)
        except FileMustWait as reason:
            held_up.append(reason.wait)
        if len(held_up) == MOST_HELD_UP:
            break
    if held_up:
        runtime.wait(runtime.store.waits.begin(attempt, held_up[0]))
        raise MustWait(held_up[0].seconds, f"It waits ({held_up[0].code}).", begun=False)


def unfinished(runtime: Runtime, attempt: Attempt) -> Iterator[FileWork]:
    """The files that no earlier attempt finished, in the order of the request, and those first whose turn it is; one
    at a time is in memory.

    The attempt's time runs from here; files that it does not reach fail.
    """
    until = time.monotonic() + min(attempt.job.request.timeout or math.inf, _left_by_parts(runtime, attempt))
    files = deque(file for file in attempt.job.files if file.status is not FileStatus.COMPLETED)
    files.rotate(MOST_HELD_UP * (1 - attempt.number))
    for file in files:
        work = FileWork(runtime, attempt, file, until)
        if not work.out_of_time():
            yield work


def _left_by_parts(runtime: Runtime, attempt: Attempt) -> float:
    """The seconds that are left of the attempt that shared out its work to parts: waiting for them counts."""
    deadline = runtime.wait(runtime.store.parts.deadline(attempt.job.job_id, attempt.job.submission))
    return math.inf if deadline is None else (deadline - now()).total_seconds()


def conclude(runtime: Runtime, attempt: Attempt) -> str | None:
    """Say how the attempt ended: None when a file was transcribed, else the code of what kept it from that."""
    job = runtime.wait(runtime.store.jobs.get(attempt.job.owner_id, attempt.job.job_id))
    if any(file.status is FileStatus.COMPLETED for file in job.files):
        return None
    code, sentence = why_none(job.files)
    runtime.wait(runtime.store.attempts.finish(attempt, Outcome(JobStatus.FAILED, sentence, code)))
    return code


def give_up(runtime: Runtime, attempt: Attempt) -> None:
    """Say that the attempt ended because somebody cancelled the job."""
    runtime.wait(runtime.store.attempts.finish(attempt, Outcome(JobStatus.CANCELLED)))


def why_none(files: tuple[JobFile, ...]) -> tuple[str, str]:
    """Code and sentence for a job of which no file was transcribed: what ended it, or the first file's."""
    first = next((file for file in files if file.error_code == JobTimedOut.code), files[0])
    code, sentence = first.error_code or SpeechError.code, first.error or "It could not be transcribed."
    if len(files) == 1:
        return code, sentence
    return code, f"None of the {len(files)} files could be transcribed. {first.filename!r}: {sentence}"
