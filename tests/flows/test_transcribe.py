"""The flow: what each end of a job leaves behind, with real storage, audio and Prefect, and a provider on a script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.attempt import begin
from pipeline.observer import go_on
from speech.errors import JobCancelled, JobTimedOut, ProviderRejected, ProviderUnavailable, RateLimited
from speech.jobs import FileStatus, JobStatus
from tasks.observer import JobObserver
from tests.flows.conftest import Bench, failing, tries

pytestmark = pytest.mark.prefect


@pytest.fixture
def damaged(jfk: Path, tmp_path: Path) -> Path:
    path = tmp_path / "damaged.flac"
    path.write_bytes(jfk.read_bytes()[:50_000])
    return path


def ended(state: Any) -> tuple[str, str]:
    assert state is not None
    return state.type.value, state.message or ""


def test_a_job_runs_to_its_end(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), output_formats=["vtt"])
    assert ended(bench.run(job))[0] == "COMPLETED"
    (file,) = bench.job(job).files
    assert (file.status, file.progress, file.provider, file.model) == (FileStatus.COMPLETED, 100, "scripted", "one")
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job("default", job.job_id))
    folder = row.blob_key.rsplit("/", 1)[0]
    assert bench.runtime.store.blobs.read(f"{folder}/rendered/vtt").startswith(b"WEBVTT")
    assert (row.words_count, row.language, row.transcript_id) == (1, "it", file.transcript_id)


def test_nothing_of_the_work_stays_on_the_disk(bench: Bench, jfk: Path) -> None:
    bench.run(bench.submitted(file_ids=bench.stored(jfk)))
    assert not [path for path in bench.runtime.settings.spool.rglob("*") if path.is_file() and path.name != "lock"]


def test_what_may_pass_is_tried_again(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ProviderUnavailable("busy", "scripted"), ProviderUnavailable("busy", "scripted"))
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert ended(bench.run(job))[0] == "COMPLETED"
    assert tries() == 3


def test_what_will_not_pass_is_not_tried_again(bench: Bench, jfk: Path) -> None:
    failing(ProviderRejected("The provider does not take this.", "scripted"))
    job = bench.submitted(file_ids=bench.stored(jfk))
    kind, message = ended(bench.run(job))
    assert (kind, message) == ("FAILED", "provider_rejected")
    assert tries() == 1
    assert (bench.job(job).error_code, bench.job(job).error) == (
        "provider_rejected",
        "The provider does not take this.",
    )
    assert bench.job(job).files[0].providers_tried == ("scripted",)


def test_a_bug_tells_clients_and_prefect_nothing(bench: Bench, jfk: Path) -> None:
    failing(ZeroDivisionError("the text that was spoken"))
    job = bench.submitted(file_ids=bench.stored(jfk))
    kind, message = ended(bench.run(job))
    assert kind == "FAILED"
    assert message == "internal_error"
    assert "spoken" not in (bench.job(job).error or "")


def test_one_failing_file_does_not_take_the_others_with_it(bench: Bench, jfk: Path, damaged: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(damaged, jfk))
    assert ended(bench.run(job))[0] == "COMPLETED"
    first, second = bench.job(job).files
    assert (first.status, first.error_code, second.status) == (FileStatus.FAILED, "invalid_audio", FileStatus.COMPLETED)


def test_a_url_that_is_refused_fails_its_file_alone(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), urls=["https://169.254.169.254/latest/meta-data?key=secret"])
    assert ended(bench.run(job))[0] == "COMPLETED"
    _, second = bench.job(job).files
    assert second.error_code == "url_refused"
    assert "secret" not in (second.error or "")


def test_a_job_that_was_cancelled_before_it_began_does_not_begin(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk))
    bench.runtime.wait(bench.runtime.store.jobs.request_cancel("default", job.job_id))
    assert ended(bench.run(job))[0] == "CANCELLED"
    assert tries() == 0


def test_a_run_of_an_older_submission_lets_go(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert bench.run(job, submission=0) is None
    assert tries() == 0


def test_a_second_run_repeats_no_finished_file(bench: Bench, jfk: Path, damaged: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk, damaged))
    bench.run(job)
    first = bench.job(job).files[0].transcript_id
    bench.run(job)
    assert tries() == 1
    assert bench.job(job).files[0].transcript_id == first
    assert bench.job(job).attempt == 2


def test_cancelled_in_the_middle(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.observer.SECONDS_BETWEEN_LOOKS", 0.0)
    job = bench.submitted(file_ids=bench.stored(jfk))
    store = bench.runtime.store
    begin = store.attempts.begin

    async def begin_and_cancel(*given: Any, **named: Any) -> Any:
        attempt = await begin(*given, **named)
        await store.jobs.request_cancel("default", job.job_id)
        return attempt

    monkeypatch.setattr(store.attempts, "begin", begin_and_cancel)
    assert ended(bench.run(job))[0] == "CANCELLED"
    (file,) = bench.job(job).files
    assert (file.status, tries()) == (FileStatus.CANCELLED, 0)


def test_an_attempt_that_lost_its_token_writes_nothing(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk))
    store = bench.runtime.store
    finish = store.attempts.file_done

    async def superseded_first(*given: Any, **named: Any) -> Any:
        await store.attempts.begin(job.job_id, 1, "another-run")
        return await finish(*given, **named)

    monkeypatch.setattr(store.attempts, "file_done", superseded_first)
    assert bench.run(job) is None
    assert bench.runtime.wait(store.transcripts.of_job("default", job.job_id)) == []


def test_a_run_that_breaks_outside_of_a_step_goes_back_to_the_queue(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk))

    def broken(*given: Any) -> None:
        raise RuntimeError("postgresql://woa:secret@db")

    monkeypatch.setattr("flows.transcribe.conclude", broken)
    kind, message = ended(bench.run(job))
    assert kind == "CRASHED"
    assert "secret" not in message


def test_a_database_that_is_away_for_a_moment_does_not_cost_the_work(
    bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*given: Any, **named: Any) -> Any:
        raise ConnectionError

    monkeypatch.setattr(bench.runtime.store.attempts, "progress", away)
    assert ended(bench.run(bench.submitted(file_ids=bench.stored(jfk))))[0] == "COMPLETED"


def test_a_step_whose_database_is_away_is_tried_again(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bench.runtime.store
    get, asked = store.files.get, []

    async def away_at_first(*given: Any) -> Any:
        asked.append(given)
        if len(asked) == 1:
            raise ConnectionError
        return await get(*given)

    monkeypatch.setattr(store.files, "get", away_at_first)
    assert ended(bench.run(bench.submitted(file_ids=bench.stored(jfk))))[0] == "COMPLETED"


def test_a_job_stops_when_its_time_is_over(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk, jfk.with_name("librivox-0870.flac")), timeout=1e-6)
    assert ended(bench.run(job)) == ("FAILED", "job_timed_out")
    found = bench.job(job)
    assert (found.error_code, found.attempt, tries()) == ("job_timed_out", 1, 0)
    assert [file.error_code for file in found.files] == ["job_timed_out", "job_timed_out"]


def test_a_step_that_outstays_the_jobs_time_has_timed_out(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), timeout=60)
    attempt = begin(bench.runtime, job.job_id, 1, "run", again=False)
    observer = JobObserver(bench.runtime, attempt, job.files[0].file_id, until=0.0)
    with pytest.raises(JobTimedOut, match="timeout allows"), observer.deadline(3600):
        go_on(observer)
    with pytest.raises(JobCancelled):
        go_on(observer)


def test_a_provider_that_asks_to_wait_longer_gets_its_time_and_holds_no_place(bench: Bench, jfk: Path) -> None:
    failing(RateLimited("Slower.", "scripted", 60.0))
    job = bench.submitted(file_ids=bench.stored(jfk))
    assert bench.run(job) is None
    assert (bench.parting.wait_seconds, tries()) == (60.0, 1)
    assert bench.job(job).status is JobStatus.PROCESSING
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    assert (bench.job(job).attempt, tries()) == (2, 2)


def test_who_asks_to_wait_for_days_is_not_waited_for(bench: Bench, jfk: Path) -> None:
    failing(RateLimited("Tomorrow.", "scripted", 86_400.0))
    job = bench.submitted(file_ids=bench.stored(jfk))
    state = bench.run(job)
    assert state is not None
    assert state.message == "rate_limited"
    assert tries() == 1
