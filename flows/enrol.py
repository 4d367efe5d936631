"""Enrolment: from a recording of somebody's voice to the vector that they are known by."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from orchestration.handover import let_go, postpone
from speech.errors import JobCancelled
from speech.logs import about
from tasks.current import current
from tasks.enrolment import TakeWork, give_up, leave, listen_to, settle
from tasks.patience import MustWait
from tasks.work import StepFailed

log = structlog.get_logger(__name__)


@flow(name="enrol", persist_result=False, validate_parameters=False, log_prints=False)
def enrol(take_id: str) -> State[Any]:
    """Listen to a take, once. Prefect sees its id, and of a failure the code: no name, no vector."""
    with about(take_id=take_id):
        try:
            return run(take_id)
        except JobCancelled:
            let_go("The worker is leaving; the take goes back to the queue.")
        except MustWait as reason:
            postpone(reason.seconds, reason.why, begun=reason.begun)
        except Exception as error:
            log.exception("the enrolment broke")
            return Failed(message=f"The worker met an unexpected error ({type(error).__name__}).")


def run(take_id: str) -> State[Any]:
    """Take the take up, and see it through."""
    runtime = current()
    claimed = runtime.wait(runtime.store.takes.claim(take_id, str(flow_run.id)))
    if claimed is None:
        # Not completed: that would say of the worker that it can listen.
        return Cancelled(message="It was listened to, or is gone.")
    work = TakeWork(runtime, claimed)
    try:
        listen_to(work)
    except JobCancelled:
        leave(work)
        raise
    except StepFailed as failure:
        give_up(work)
        return Failed(message=str(failure))
    kept = settle(work)
    log.info("take enrolled" if kept else "the take was deleted meanwhile", speaker_id=claimed.speaker_id)
    return Completed(message="Done." if kept else "It was deleted meanwhile.")
