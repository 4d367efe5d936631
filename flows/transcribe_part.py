"""A part of a long recording, recognised for the job's own run, which waits for it."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import State, flow
from prefect.states import Cancelled, Completed, Failed

from orchestration.handover import asked_to_leave, let_go
from speech.errors import AttemptSuperseded, JobCancelled
from speech.logs import about
from storage.errors import SpecificationUnreadable
from tasks.current import current
from tasks.parts import recognise_part, taken_up
from tasks.steps import fetch, prepare
from tasks.work import StepFailed

log = structlog.get_logger(__name__)


@flow(name="transcribe-part", persist_result=False, validate_parameters=False, log_prints=False)
def transcribe_part(job_id: str, submission: int, file_id: str, part: int) -> State[Any]:
    """Recognise a part, and leave its pieces where the job's own run finds them.

    What goes wrong here is no failure of the job: its own run does what is left, and says what is wrong.
    """
    with about(job_id=job_id, file_id=file_id):
        try:
            return run(job_id, submission, file_id, part)
        except AttemptSuperseded as reason:
            let_go(reason.message)
        except JobCancelled as reason:
            if asked_to_leave():
                let_go("The worker is leaving; the part goes back to the queue.")
            return Cancelled(message=reason.message)
        except SpecificationUnreadable as reason:
            return Failed(message=reason.code)
        except Exception as error:
            log.exception("the part broke")
            return Failed(message=f"The worker met an unexpected error ({type(error).__name__}).")


def run(job_id: str, submission: int, file_id: str, part: int) -> State[Any]:
    """Take the part up, and see it through."""
    with taken_up(current(), job_id, submission, file_id, part) as work:
        try:
            fetch(work)
            with work.opened():
                prepare(work)
                recognise_part(work)
        except StepFailed as failure:
            work.tell_of_trouble(work.failure)
            return Failed(message=str(failure))
    return Completed(message="Done.")
