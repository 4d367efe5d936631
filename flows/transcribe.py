"""The main job: from audio to words, file by file."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.attempt import begin, conclude, give_up, go_through
from orchestration.handover import asked_to_leave, let_go, meet_trouble, postpone
from pipeline.runtime import Runtime
from speech.errors import AttemptSuperseded, Blame, JobCancelled, SpeechError
from speech.logs import about
from storage.attempts import Attempt
from storage.errors import SpecificationUnreadable
from tasks.current import current
from tasks.diarizing import name_speakers, speakers_beside
from tasks.parts import share_out, wait_for_parts
from tasks.patience import MustWait
from tasks.steps import assemble, fetch, prepare, recognise, render
from tasks.wording import align, punctuate
from tasks.work import FileWork

log = structlog.get_logger(__name__)

TROUBLE_SECONDS = 10.0
"""Between two tries of a run that cannot even begin."""


@flow(name="transcribe", persist_result=False, validate_parameters=False, log_prints=False)
def transcribe(job_id: str, submission: int) -> State[Any]:
    """Run a job: fetch → prepare → transcribe, with diarize beside it → align → punctuate → assemble → render, each
    file by itself, a long one in parts.

    Prefect sees the two ids and, of a failure, its code. The job completes when at least one file did.
    """
    with about(job_id=job_id):
        try:
            return run(job_id, submission)
        except AttemptSuperseded as reason:
            let_go(reason.message)
        except JobCancelled as reason:
            return Cancelled(message=reason.message)
        except Exception as error:
            if isinstance(error, SpeechError) and error.blame is Blame.SERVER:
                wait_out(error)
            # Not this job's fault, as far as anybody knows: it is put back into the queue, a few times.
            log.exception("the run broke")
            return Crashed(message=f"The worker met an unexpected error ({type(error).__name__}).")


def wait_out(error: SpeechError) -> None:
    """Have the run run again later that met trouble of the server outside of its steps: no row says that its job
    waits, for it may be the database that is away. Returns when it has waited as long as it may."""
    if flow_run.run_count * TROUBLE_SECONDS < current().settings.outage_wait_seconds:
        log.warning("the run waits", code=error.code, reason=error.message)
        meet_trouble(error.code)
        postpone(TROUBLE_SECONDS, f"It waits ({error.code}).", begun=False)


def run(job_id: str, submission: int) -> State[Any]:
    """One attempt, from its beginning to the state that it ends in."""
    runtime = current()
    try:
        wait_for_parts(runtime, job_id, submission)
        attempt = begin(runtime, job_id, submission, str(flow_run.id), again=flow_run.run_count > 1)
        return see_through(runtime, attempt)
    except MustWait as reason:
        postpone(reason.seconds, reason.why, begun=reason.begun)
    except SpecificationUnreadable as reason:
        return Failed(message=f"{reason.code}: {reason.message}")


def see_through(runtime: Runtime, attempt: Attempt) -> State[Any]:
    """Go through the files, and say how the attempt ended."""
    try:
        go_through(runtime, attempt, transcribe_file)
    except JobCancelled:
        if asked_to_leave():
            let_go("The worker is leaving; the run goes back to the queue.")
        give_up(runtime, attempt)
        raise
    failure = conclude(runtime, attempt)
    return Completed(message="Done.") if failure is None else Failed(message=failure)


def transcribe_file(work: FileWork) -> None:
    """One file; what goes wrong with it is recorded with it."""
    with work.failing_alone():
        fetch(work)
        with work.opened():
            prepare(work)
            with speakers_beside(work):
                share_out(work)
                recognise(work)
            align(work)
            name_speakers(work)
            punctuate(work)
            assemble(work)
            render(work)
