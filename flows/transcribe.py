"""The main job: from audio to words, file by file."""

from __future__ import annotations

from typing import Any

from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.attempt import begin, conclude, give_up, unfinished
from orchestration.handover import asked_to_leave, let_go
from speech.errors import AttemptSuperseded, JobCancelled
from tasks.current import current
from tasks.steps import assemble, fetch, prepare, recognise, render
from tasks.work import FileWork


@flow(name="transcribe", persist_result=False, validate_parameters=False, log_prints=False)
def transcribe(job_id: str, submission: int) -> State[Any]:
    """Run a job: fetch → prepare → transcribe → assemble → render, each file by itself.

    Prefect sees the two ids and nothing else. The job completes when at least one file did.
    """
    runtime = current()
    try:
        attempt = begin(runtime, job_id, submission, str(flow_run.id), again=flow_run.run_count > 1)
    except JobCancelled as reason:
        return Cancelled(message=reason.message)
    except AttemptSuperseded as reason:
        let_go(reason.message)
    try:
        for work in unfinished(runtime, attempt):
            transcribe_file(work)
    except JobCancelled as reason:
        if asked_to_leave():
            let_go("The worker is leaving; the run goes back to the queue.")
        give_up(runtime, attempt)
        return Cancelled(message=reason.message)
    except AttemptSuperseded as reason:
        let_go(reason.message)
    failure = conclude(runtime, attempt)
    return Completed(message="Done.") if failure is None else Failed(message=failure)


def transcribe_file(work: FileWork) -> None:
    """One file; what goes wrong with it is recorded with it."""
    with work.failing_alone():
        fetch(work)
        with work.opened():
            prepare(work)
            recognise(work)
            assemble(work)
            render(work)
