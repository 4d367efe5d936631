"""What the state of a flow run means for its job: one pure table.

================================================================  ==========================
flow run                                                          job
================================================================  ==========================
Scheduled, Late, Pending, AwaitingConcurrencySlot, not submitted  queued
Running, Retrying, AwaitingRetry                                  processing
Paused, Suspended                                                 processing, stage paused
Cancelling                                                        cancelling
Cancelled                                                         cancelled
Completed                                                         completed
Crashed, attempts left                                            queued
Crashed, none left                                                failed (worker_lost)
Failed                                                            failed (the error's code)
================================================================  ==========================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prefect.client.schemas.objects import FlowRun, State, StateType

from speech.errors import SpeechError
from speech.jobs import JobStatus, Stage

MAX_ATTEMPTS = 3
"""How often a run is started before its job fails because its workers keep dying."""

WORKER_LOST = "worker_lost"
RUN_LOST = "run_lost"
WORKER_LOST_SENTENCE = f"The worker died while it had the job, {MAX_ATTEMPTS} times."
RUN_LOST_SENTENCE = "The job's flow run was deleted, twice; submit the job anew."
UNKNOWN_SENTENCE = "The run failed with an unexpected error; the worker's log says more."

_STATUS: dict[StateType, JobStatus] = {
    StateType.SCHEDULED: JobStatus.QUEUED,
    StateType.PENDING: JobStatus.QUEUED,
    StateType.RUNNING: JobStatus.PROCESSING,
    StateType.PAUSED: JobStatus.PROCESSING,
    StateType.CANCELLING: JobStatus.CANCELLING,
    StateType.CANCELLED: JobStatus.CANCELLED,
    StateType.COMPLETED: JobStatus.COMPLETED,
    StateType.FAILED: JobStatus.FAILED,
}

_AT_WORK_BY_NAME = frozenset({"AwaitingRetry", "Retrying"})
"""States of type SCHEDULED in which the work has begun already."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at a flow run says about its job. ``stage`` is None where the worker knows it better."""

    status: JobStatus
    stage: Stage | None = None
    error: str | None = None
    error_code: str | None = None


def read_state(state: State | None, run_count: int = 0) -> Reading:
    """The job's side of a run's state; ``run_count`` is how often the run has been started."""
    if state is None:
        return Reading(JobStatus.QUEUED)
    if state.type is StateType.CRASHED:
        return _read_crash(run_count)
    if state.type is StateType.FAILED:
        code, sentence = error_of(state.message)
        return Reading(JobStatus.FAILED, error=sentence, error_code=code)
    if state.type is StateType.PAUSED:
        return Reading(JobStatus.PROCESSING, stage=Stage.PAUSED)
    if state.type is StateType.SCHEDULED and state.name in _AT_WORK_BY_NAME:
        return Reading(JobStatus.PROCESSING)
    return Reading(_STATUS[state.type])


def read_run(run: FlowRun) -> Reading:
    """The job's side of a run."""
    return read_state(run.state, run.run_count)


def may_run_again(run_count: int) -> bool:
    """Whether a run that crashed has attempts left."""
    return run_count < MAX_ATTEMPTS


def _read_crash(run_count: int) -> Reading:
    if may_run_again(run_count):
        return Reading(JobStatus.QUEUED)
    return Reading(JobStatus.FAILED, error=WORKER_LOST_SENTENCE, error_code=WORKER_LOST)


def _families(of: type[SpeechError] = SpeechError) -> dict[str, str]:
    """Class name → code, for all errors of ours."""
    found = {of.__name__: of.code}
    for child in of.__subclasses__():
        found |= _families(child)
    return found


_LABELLED = re.compile(r"(?:^|: )(?P<label>\w+): (?P<sentence>.+)", re.DOTALL)


def error_of(message: str | None) -> tuple[str, str | None]:
    """Code and sentence of a failed run, from its state's message.

    A bare code is what our flow says: the sentence is in the job's row already, and None here. Known are also
    ``code: sentence`` and the form that Prefect gives to errors of ours, ``...: ClassName: sentence``.
    Anything else is not repeated, since the message of a foreign error may quote what was said.
    """
    codes = _families()
    known = set(codes.values()) | {WORKER_LOST, RUN_LOST}
    if message in known:
        return message, None
    match = _LABELLED.search(message or "")
    if match is None:
        return SpeechError.code, UNKNOWN_SENTENCE
    label, sentence = match["label"], match["sentence"].strip()
    if label in known:
        return label, sentence
    if label in codes:
        return codes[label], sentence
    return SpeechError.code, UNKNOWN_SENTENCE
