"""Evaluation on a server: a set of the operator's, transcribed by the worker, scored, compared with its baseline."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import State, flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from orchestration.handover import asked_to_leave, let_go
from pipeline.evaluation.comparison import Tolerance
from speech.errors import JobCancelled
from tasks.current import current
from tasks.evaluation import EvaluationWork, conclude, report, run_set
from tasks.work import StepFailed

log = structlog.get_logger(__name__)

WORSE = "evaluation_worse"
"""What a run fails with that is worse than the set's baseline: the gate for models and settings."""


@flow(name="evaluate", persist_result=False, validate_parameters=False, log_prints=False)
def evaluate(evaluation_set: str, tolerance: float = 0.0, strict: bool = False) -> State[Any]:
    """Run a set that lies in WOA_EVALUATION_DIR. Prefect sees its name, ids and figures, and of a failure its code.

    ``tolerance`` (points) and ``strict`` are those of `woa evaluate`. A run whose worker leaves goes back to the queue
    and begins anew.
    """
    try:
        return run(evaluation_set, Tolerance(overall=tolerance / 100, strict=strict))
    except JobCancelled:
        if asked_to_leave():
            let_go("The worker is leaving; the run goes back to the queue.")
        return Cancelled(message="The evaluation was cancelled.")
    except Exception as error:
        log.exception("the run broke")
        return Failed(message=f"The worker met an unexpected error ({type(error).__name__}).")


def run(evaluation_set: str, tolerance: Tolerance) -> State[Any]:
    """The run, from its beginning to the state that it ends in."""
    work = EvaluationWork(current(), evaluation_set, str(flow_run.id), tolerance)
    try:
        run_set(work)
        conclude(work)
    except StepFailed as failure:
        return Failed(message=str(failure))
    report(work)
    return Failed(message=WORSE) if work.worse else Completed(message="Done.")
