"""The table from run state to job status, and what a failed run says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import State, StateType
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Late,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    Suspended,
)

from orchestration.states import (
    MAX_CRASHES,
    MAX_CRASHES_ALONE,
    UNKNOWN_SENTENCE,
    WORKER_LOST,
    WORKER_LOST_SENTENCE,
    Reading,
    error_of,
    may_run_again,
    read_state,
)
from speech.errors import SpeechError
from speech.jobs import JobStatus, Stage
from storage.crashes import CrashCount

TABLE = [
    (None, JobStatus.QUEUED),
    (Scheduled(), JobStatus.QUEUED),
    (Late(), JobStatus.QUEUED),
    (Pending(), JobStatus.QUEUED),
    (Scheduled(name="AwaitingConcurrencySlot"), JobStatus.QUEUED),
    (Running(), JobStatus.PROCESSING),
    (Retrying(), JobStatus.PROCESSING),
    (AwaitingRetry(), JobStatus.PROCESSING),
    (Paused(), JobStatus.PROCESSING),
    (Suspended(), JobStatus.PROCESSING),
    (Cancelling(), JobStatus.CANCELLING),
    (Cancelled(), JobStatus.CANCELLED),
    (Completed(), JobStatus.COMPLETED),
    (Failed(), JobStatus.FAILED),
]


@pytest.mark.parametrize(("state", "status"), TABLE)
def test_every_state_has_its_status(state: State | None, status: JobStatus) -> None:
    assert read_state(state).status is status


@pytest.mark.parametrize("kind", list(StateType))
def test_no_kind_of_state_is_forgotten(kind: StateType) -> None:
    assert isinstance(read_state(State(type=kind)).status, JobStatus)


@pytest.mark.parametrize("state", [Paused(), Suspended()])
def test_a_pause_is_a_stage(state: State) -> None:
    assert read_state(state).stage is Stage.PAUSED


@pytest.mark.parametrize("state", [Running(), AwaitingRetry(), Scheduled()])
def test_other_states_leave_the_stage_to_the_worker(state: State) -> None:
    assert read_state(state).stage is None


def test_a_crash_waits_for_control() -> None:
    assert read_state(Crashed()) == Reading(JobStatus.QUEUED)


def test_deaths_are_borne_a_few_times_and_fewer_when_the_job_was_alone() -> None:
    assert may_run_again(CrashCount())
    assert may_run_again(CrashCount(MAX_CRASHES - 1, MAX_CRASHES_ALONE - 1))
    assert not may_run_again(CrashCount(MAX_CRASHES_ALONE, MAX_CRASHES_ALONE))
    assert not may_run_again(CrashCount(MAX_CRASHES, 0))


def test_what_failed_for_its_deaths_says_so() -> None:
    last = read_state(Failed(message=f"{WORKER_LOST}: {WORKER_LOST_SENTENCE}"))
    assert (last.status, last.error_code, last.error) == (JobStatus.FAILED, WORKER_LOST, WORKER_LOST_SENTENCE)


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        ("invalid_audio: There is no sound in it.", "invalid_audio", "There is no sound in it."),
        ("worker_lost: It died.", "worker_lost", "It died."),
        (
            "Flow run encountered an exception: InvalidAudio: Broken: at second 3.",
            "invalid_audio",
            "Broken: at second 3.",
        ),
        ("Flow run encountered an exception: RateLimited: Slower.", "rate_limited", "Slower."),
        (
            "provider_timeout: It took longer than 60 s: give up.",
            "provider_timeout",
            "It took longer than 60 s: give up.",
        ),
    ],
)
def test_errors_of_ours_keep_code_and_sentence(message: str, code: str, sentence: str) -> None:
    assert error_of(message) == (code, sentence)


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "Flow run encountered an exception: ValueError: she said hello",
        "hello",
        "key: she said hello",
        ": ",
    ],
)
def test_what_a_foreign_error_says_is_not_repeated(message: str | None) -> None:
    assert error_of(message) == (SpeechError.code, UNKNOWN_SENTENCE)


def test_a_bare_code_leaves_the_sentence_to_the_row() -> None:
    assert error_of("download_failed") == ("download_failed", None)


@given(st.text())
def test_any_message_gives_a_code_and_a_sentence(message: str) -> None:
    code, sentence = error_of(message)
    assert code
    # A bare code is what our own flows say: their sentence is in the job's row.
    assert sentence or code == message


def test_a_failed_run_says_why() -> None:
    seen = read_state(Failed(message="storage_full: The disk is full."))
    assert seen == Reading(JobStatus.FAILED, error="The disk is full.", error_code="storage_full")
