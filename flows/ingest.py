"""Ingestion: from the objects of a source to jobs, and from jobs that have ended back to the source."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from orchestration.handover import let_go
from pipeline.source import LeavingSource, SourceStopped
from speech.logs import about
from storage.errors import Missing
from tasks.current import current
from tasks.ingestion import SourceWork, hand_back, report, submit_new
from tasks.work import StepFailed

log = structlog.get_logger(__name__)


@flow(name="ingest", persist_result=False, validate_parameters=False, log_prints=False)
def ingest(ingest_id: str, listing: bool = True) -> State[Any]:
    """One run at a source: see to what has ended, then, unless ``listing`` is false, look for what is new.

    Prefect sees an id, numbers, and of a failure its code.
    """
    with about(ingest_id=ingest_id):
        try:
            return run(ingest_id, listing)
        except Missing:
            return Cancelled(message="The ingest was deleted.")
        except LeavingSource:
            let_go("The worker is leaving; the run goes back to the queue.")
        except Exception as error:
            log.exception("the run broke")
            return Failed(message=f"The worker met an unexpected error ({type(error).__name__}).")


def run(ingest_id: str, listing: bool) -> State[Any]:
    """The run, from its beginning to the state that it ends in."""
    work = SourceWork(current(), ingest_id, str(flow_run.id))
    try:
        hand_back(work, try_failed_again=listing)
        if listing:
            submit_new(work)
    except SourceStopped as reason:
        log.info("a run of an ingest was stopped", code=reason.code)
        work.stop(reason)
        report(work)
        return Cancelled(message=reason.sentence)
    except StepFailed:
        log.warning("a run of an ingest failed", code=work.failure.code if work.failure else None)
    report(work)
    failure = work.conclude()
    return Completed(message="Done.") if failure is None else Failed(message=failure)
