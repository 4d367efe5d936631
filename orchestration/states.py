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
Crashed                                                           queued: control sends it again, or fails it
Failed                                                            failed (the error's code, or worker_lost)
================================================================  ==========================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prefect.client.schemas.objects import FlowRun, State, StateType

from speech.errors import SpeechError
from speech.jobs import JobStatus, Stage
from storage.crashes import CrashCount

MAX_CRASHES_ALONE = 3
"""How often the process may die in which a job runs alone, until the job fails."""
MAX_CRASHES = 10
"""The same, whoever else was aboard and whatever was killed: nobody waits for ever for a job that dies so often."""

WORKER_LOST = "worker_lost"
RUN_LOST = "run_lost"
WORKER_LOST_SENTENCE = "The worker died while it had the job, again and again; the worker's log says of what."
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
    StateType.CRASHED: JobStatus.QUEUED,
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


def read_state(state: State | None) -> Reading:
    """The job's side of a run's state."""
    if state is None:
        return Reading(JobStatus.QUEUED)
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
    return read_state(run.state)


def may_run_again(count: CrashCount) -> bool:
    """Whether a job whose process died so often is tried once more."""
    return count.alone < MAX_CRASHES_ALONE and count.total < MAX_CRASHES


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
