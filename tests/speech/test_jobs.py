from __future__ import annotations

from itertools import product

import pytest

from speech.jobs import FINISHED, FileStatus, JobStatus, Stage, lawful, transcript_id_of
from speech.options import Priority

EVERY_STATUS = list(JobStatus)
LAWFUL = {
    "queued": {"processing", "cancelling", "completed", "failed", "cancelled"},
    "processing": {"queued", "cancelling", "completed", "failed", "cancelled"},
    "cancelling": {"cancelled", "completed", "failed"},
    "completed": {"expired", "queued", "processing"},
    "failed": {"expired", "queued", "processing"},
    "cancelled": {"expired", "queued", "processing"},
    "expired": set[str](),
}


@pytest.mark.parametrize(("before", "after"), list(product(EVERY_STATUS, EVERY_STATUS)))
def test_transitions(before: JobStatus, after: JobStatus) -> None:
    assert lawful(before, after) is (before == after or after in LAWFUL[before])


def test_an_expired_job_stays_so() -> None:
    assert [after for after in EVERY_STATUS if lawful(JobStatus.EXPIRED, after)] == [JobStatus.EXPIRED]


def test_every_job_can_end() -> None:
    for status in EVERY_STATUS:
        assert status.finished or any(lawful(status, end) for end in FINISHED)


def test_finished() -> None:
    assert {status.value for status in EVERY_STATUS if status.finished} == {
        "completed",
        "failed",
        "cancelled",
        "expired",
    }


@pytest.mark.parametrize("value", [*JobStatus, *FileStatus, *Stage, *Priority])
def test_an_enum_is_shown_as_its_value(value: JobStatus | FileStatus | Stage | Priority) -> None:
    assert str(value) == f"{value}" == "{}".format(value) == value.value  # noqa: UP032
    assert "." not in str(value)


def test_the_words_of_the_contract() -> None:
    assert [str(stage) for stage in Stage] == [
        "queued",
        "preparing",
        "transcribing",
        "diarizing",
        "aligning",
        "punctuating",
        "rendering",
        "paused",
        "done",
    ]


def test_every_attempt_at_a_file_of_a_job_writes_the_same_transcript() -> None:
    assert transcript_id_of("job", "file") == transcript_id_of("job", "file")
    assert transcript_id_of("job", "file") not in (transcript_id_of("job", "other"), transcript_id_of("other", "file"))
