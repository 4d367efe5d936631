"""Jobs: checked to the end before anything is stored, then shown, listed and stopped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from speech.clock import now
from speech.jobs import JobStatus
from speech.options import Priority
from speech.settings import Settings
from storage.projection import Projection
from tests.api.conftest import Desk, begin, complete, opened

FIELDS = {
    *("job_id", "status", "progress", "stage", "attempt", "current_file", "total_files", "files_failed", "files"),
    *("created_at", "started_at", "completed_at", "expires_at", "queue_position", "priority", "error", "error_code"),
    *("metadata", "flow_run_id", "flow_run_url", "stale_since", "not_before", "waiting_for"),
}
FILE_FIELDS = {
    *("file_id", "filename", "status", "stage", "progress", "error", "error_code"),
    *("transcript_id", "provider", "model", "providers_tried"),
}


async def refused(desk: Desk, **body: Any) -> tuple[int, str, list[str]]:
    answer = await desk.client.post("/api/v1/transcribe", json={"model": "tiny.en", **body})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", problem
    return answer.status_code, problem["code"], [error["field"] for error in problem.get("errors", [])]


async def test_accepting_answers_what_the_contract_names(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    answer = await desk.client.post("/api/v1/transcribe", json={"file_ids": [file_id], "model": "tiny.en"})
    body = answer.json()
    assert answer.status_code == 202
    assert set(body) == {"job_id", "status", "message", "files_count", "queue_position", "links"}
    assert (body["status"], body["files_count"], body["queue_position"]) == ("queued", 1, 1)
    assert answer.headers["location"] == body["links"]["self"] == f"/api/v1/jobs/{body['job_id']}"
    assert body["links"]["results"] == f"/api/v1/results/{body['job_id']}"
    assert body["links"]["events"] == f"/api/v1/jobs/{body['job_id']}/events"
    assert (await desk.client.get(answer.headers["location"])).json()["job_id"] == body["job_id"]


async def test_a_job_shows_what_the_contract_names(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    job = await desk.job(await desk.transcribe(file_ids=[file_id], metadata={"call": [17, None, "ü"]}))
    assert set(job) == FIELDS
    assert set(job["files"][0]) == FILE_FIELDS
    assert job["metadata"] == {"call": [17, None, "ü"]}
    assert (job["total_files"], job["files_failed"], job["current_file"]) == (1, 0, None)
    assert job["flow_run_url"] is None


async def test_enums_render_as_their_values(desk: Desk, speech: bytes) -> None:
    """An ancestor put `ModelType.X` into its JSON, so that every job failed."""
    (file_id,) = await desk.upload(("call.flac", speech))
    answer = await desk.client.post(
        "/api/v1/transcribe",
        json={"file_ids": [file_id], "model_type": "faster_whisper", "model_size": "tiny.en", "priority": "express"},
    )
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    texts = [answer.text, (await desk.client.get(f"/api/v1/jobs/{job_id}")).text]
    await complete(desk.store, job_id)
    texts += [(await desk.client.get(f"/api/v1/{path}/{job_id}")).text for path in ("jobs", "results")]
    assert not re.search(r"\b(ModelType|JobStatus|FileStatus|Stage|Priority)\.", "".join(texts))
    stored = await desk.store.jobs.get("default", job_id)
    assert (stored.request.provider, stored.request.model) == ("faster_whisper", "tiny.en")
    assert stored.priority is Priority.EXPRESS


async def test_the_older_address_shows_the_same(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    older = await desk.client.get(f"/api/v1/transcribe/jobs/{job_id}")
    assert older.json() == await desk.job(job_id) | {"stale_since": older.json()["stale_since"]}


async def test_head_answers_as_get_without_the_body(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    got, head = [await desk.client.request(method, f"/api/v1/jobs/{job_id}") for method in ("GET", "HEAD")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert (await desk.client.head("/api/v1/upload")).status_code == 405


async def test_started_at_is_set_once_work_begins(desk: Desk, speech: bytes) -> None:
    """An ancestor never set it."""
    job_id = await desk.transcribe(file_ids=await desk.upload(("a.flac", speech), ("b.flac", speech)))
    assert (await desk.job(job_id))["started_at"] is None
    job = await begin(desk.store, job_id)
    attempt_job = await desk.job(job_id)
    assert attempt_job["started_at"] is not None
    assert attempt_job["status"] == "processing"
    assert attempt_job["completed_at"] is None
    assert attempt_job["queue_position"] is None
    assert job.files[0].file_id == attempt_job["files"][0]["file_id"]


async def test_the_file_in_work_and_the_run_are_named(desk: Desk, speech: bytes) -> None:
    from speech.jobs import Stage

    job_id = await desk.transcribe(file_ids=await desk.upload(("a.flac", speech), ("b.flac", speech)))
    attempt = await desk.store.attempts.begin(job_id, 1, "0d6f1b9e")
    await desk.store.attempts.progress(attempt, attempt.job.files[1].file_id, Stage.TRANSCRIBING, 40)
    job = await desk.job(job_id)
    assert (job["current_file"], job["stage"]) == ("b.flac", "transcribing")
    assert job["flow_run_url"] == f"{desk.settings.prefect_ui}/runs/flow-run/0d6f1b9e"


async def test_a_failed_file_is_counted_and_the_job_completes(desk: Desk, speech: bytes) -> None:
    good, bad = await desk.upload(("a.flac", speech), ("b.flac", speech))
    job_id = await desk.transcribe(file_ids=[good, bad])
    await complete(desk.store, job_id, failing=(bad,))
    job = await desk.job(job_id)
    assert (job["status"], job["progress"], job["stage"], job["files_failed"]) == ("completed", 100.0, "done", 1)
    assert [file["error_code"] for file in job["files"]] == [None, "invalid_audio"]


async def test_a_silent_orchestrator_is_said(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    answer = await desk.client.post("/api/v1/transcribe", json={"file_ids": file_ids, "model": "tiny.en"})
    assert answer.status_code == 202
    assert "Prefect" in answer.json()["message"]
    job = await desk.job(answer.json()["job_id"])
    assert job["stale_since"] == job["created_at"]


async def test_a_status_is_stale_since_prefect_was_last_read(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    read_at = now() - timedelta(seconds=1)
    await desk.store.jobs.read_mark(read_at)
    desk.parts.freshness._until = 0.0
    assert (await desk.job(job_id))["stale_since"] is None
    later = now() + timedelta(minutes=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.freshness.now", lambda: later)
        assert (await desk.job(job_id))["stale_since"] is not None
        await complete(desk.store, job_id)
        assert (await desk.job(job_id))["stale_since"] is None


async def test_an_accepted_job_says_just_that_while_prefect_is_read(desk: Desk, speech: bytes) -> None:
    await desk.store.jobs.read_mark(now())
    file_ids = await desk.upload(("call.flac", speech))
    await desk.store.jobs.read_mark(now())
    answer = await desk.client.post("/api/v1/transcribe", json={"file_ids": file_ids, "model": "tiny.en"})
    assert answer.json()["message"] == "Accepted."


async def test_nothing_to_transcribe_is_refused(desk: Desk) -> None:
    assert await refused(desk) == (422, "invalid_request", ["file_ids"])


async def test_unknown_files_are_named(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    assert await refused(desk, file_ids=["nope", file_id, "neither"]) == (
        404,
        "file_not_found",
        ["file_ids[0]", "file_ids[2]"],
    )


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({"file_ids": ["a", "b", "a"]}, "invalid_request", ["file_ids[2]"]),
        ({"urls": ["https://a.example/x", "https://a.example/x"]}, "invalid_request", ["urls[1]"]),
        ({"file_ids": ["a"], "nonsense": 1}, "invalid_request", ["nonsense"]),
        ({"file_ids": ["a"], "vad": {"threshold": 2, "foo": 1}}, "invalid_request", ["vad.threshold", "vad.foo"]),
        ({"file_ids": ["a"] * 101}, "invalid_request", ["file_ids"]),
        ({"file_ids": ["../x"]}, "invalid_request", ["file_ids[0]"]),
        ({"file_ids": ["a"], "model_type": "x", "provider": "y"}, "invalid_request", [""]),
        ({"file_ids": ["a"], "provider": "nobody"}, "unknown_provider", ["provider"]),
        ({"file_ids": ["a"], "model": "no-such-model"}, "model_not_found", ["model"]),
        ({"file_ids": ["a"], "model": "../../etc"}, "model_not_found", ["model"]),
        ({"file_ids": ["a"], "language": "fr"}, "unsupported_option", ["language"]),
        ({"file_ids": ["a"], "parameters": {"beam": 5}}, "unsupported_option", ["parameters.beam"]),
        ({"file_ids": ["a"], "output_formats": ["vtt", "doc"]}, "unknown_format", ["output_formats[1]"]),
        ({"urls": ["http://a.example/x"]}, "url_refused", ["urls[0]"]),
        ({"urls": ["https://a.example/x", "https://127.0.0.1/x"]}, "url_refused", ["urls[1]"]),
        ({"urls": ["s3://bucket/key"]}, "url_refused", ["urls[0]"]),
        ({"file_ids": ["a"], "metadata": {"x": "y" * 17_000}}, "invalid_request", ["metadata"]),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    desk: Desk, body: dict[str, Any], code: str, fields: list[str]
) -> None:
    assert await refused(desk, **body) == (422, code, fields)
    assert (await desk.store.jobs.list("default"))[0] == []


@pytest.mark.parametrize(
    "later",
    [
        {"fallback_providers": ["x"]},
        {"translate_to": ["de"]},
        {"enhance": True},
        {"redact": ["names"]},
    ],
)
async def test_what_is_not_offered_yet_is_refused_by_name(desk: Desk, later: dict[str, Any]) -> None:
    assert await refused(desk, file_ids=["a"], **later) == (422, "unsupported_option", list(later))


async def test_a_job_may_wait_for_a_year_and_no_longer(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    waiting = await desk.transcribe(file_ids=file_ids, not_before=(now() + timedelta(days=360)).isoformat())
    job = await desk.job(waiting)
    assert (job["status"], job["queue_position"]) == ("queued", None)
    assert job["not_before"] is not None
    too_late = (now() + timedelta(days=400)).isoformat()
    assert await refused(desk, file_ids=file_ids, not_before=too_late) == (422, "invalid_request", ["not_before"])


async def test_a_urls_query_is_never_repeated(desk: Desk) -> None:
    answer = await desk.client.post(
        "/api/v1/transcribe", json={"model": "tiny.en", "urls": ["http://a.example/x?token=hunter2"]}
    )
    assert "hunter2" not in answer.text


async def test_urls_are_accepted_without_asking_a_name_server(desk: Desk) -> None:
    job = await desk.job(await desk.transcribe(urls=["https://no-such-host.invalid/talks/one.mp3?token=hunter2"]))
    assert job["files"][0]["filename"] == "one.mp3"
    assert "hunter2" not in str(job)


async def test_a_full_queue_is_429(changed: Callable[..., Settings], speech: bytes) -> None:
    async with opened(changed(max_queued_jobs=1)) as desk:
        file_ids = await desk.upload(("call.flac", speech))
        await desk.transcribe(file_ids=file_ids)
        answer = await desk.client.post("/api/v1/transcribe", json={"file_ids": file_ids, "model": "tiny.en"})
        assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
        assert int(answer.headers["retry-after"]) > 0


async def test_jobs_are_listed_page_by_page(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    made = [await desk.transcribe(file_ids=file_ids) for _ in range(5)]
    await desk.client.delete(f"/api/v1/jobs/{made[1]}")
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await desk.client.get("/api/v1/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        assert set(page) == {"jobs", "next_cursor"}
        assert all(set(job) == FIELDS for job in page["jobs"])
        seen += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    cancelled = (await desk.client.get("/api/v1/jobs?status=cancelled")).json()["jobs"]
    assert [job["job_id"] for job in cancelled] == [made[1]]
    third = await desk.job(made[2])
    newer = (await desk.client.get("/api/v1/jobs", params={"created_after": third["created_at"]})).json()["jobs"]
    assert [job["job_id"] for job in newer] == [made[4], made[3]]


async def test_an_unescaped_plus_in_a_time_is_understood(desk: Desk) -> None:
    answer = await desk.client.get("/api/v1/jobs?created_after=2026-01-01T10:00:00+02:00")
    assert answer.status_code == 200


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_the_ends_of_the_calendar_are_times(desk: Desk, moment: str) -> None:
    assert (await desk.client.get("/api/v1/jobs", params={"created_after": moment})).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "cursor=abc",
        "cursor=%00",
        "limit=201",
        "created_after=2026-01-01T10:00:00",
        "created_after=0001-01-01T00:00:00%2B14:00",
        "created_after=9999-12-31T23:59:59-14:00",
    ],
)
async def test_wrong_queries_are_422(desk: Desk, query: str) -> None:
    answer = await desk.client.get(f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_a_queued_job_is_cancelled_at_once_and_again(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    for _ in range(2):
        answer = await desk.client.delete(f"/api/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")


async def test_a_running_job_is_told_to_stop_and_again(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await begin(desk.store, job_id)
    for _ in range(2):
        answer = await desk.client.delete(f"/api/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")


async def test_a_finished_job_cannot_be_cancelled(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await complete(desk.store, job_id)
    answer = await desk.client.delete(f"/api/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")


async def test_unknown_jobs_are_404(desk: Desk) -> None:
    for method in ("GET", "DELETE"):
        answer = await desk.client.request(method, "/api/v1/jobs/nope")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_fifty_jobs_at_once_are_all_accepted(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    made = await asyncio.gather(*(desk.transcribe(file_ids=file_ids) for _ in range(50)))
    assert len(set(made)) == 50
    positions = {(await desk.job(job_id))["queue_position"] for job_id in made}
    assert positions == set(range(1, 51))


async def test_a_run_that_failed_is_shown_with_its_reason(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await desk.store.jobs.project(
        job_id, 1, Projection(status=JobStatus.FAILED, error="The worker was lost.", error_code="worker_lost")
    )
    job = await desk.job(job_id)
    assert (job["status"], job["error"], job["error_code"]) == ("failed", "The worker was lost.", "worker_lost")
    assert job["completed_at"] is not None
