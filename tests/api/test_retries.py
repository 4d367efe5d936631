"""A job that is asked to run again: once for each key, and only where there is something to run."""

from __future__ import annotations

import asyncio
from typing import Any

from speech.jobs import JobStatus
from storage.idempotency import Fresh
from storage.projection import Projection
from tests.api.conftest import Desk, begin, complete


async def retry(desk: Desk, job_id: str, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await desk.client.post(f"/api/v1/jobs/{job_id}/retry", headers=headers)


async def failed(desk: Desk, speech: bytes) -> str:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await begin(desk.store, job_id)
    await desk.store.jobs.project(job_id, 1, Projection(JobStatus.FAILED, error="It broke.", error_code="worker_lost"))
    return job_id


async def test_a_failed_job_goes_back_to_the_queue(desk: Desk, speech: bytes) -> None:
    job_id = await failed(desk, speech)
    answer = await retry(desk, job_id)
    body = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/v1/jobs/{job_id}")
    assert (body["status"], body["attempt"], body["queue_position"], body["error"]) == ("queued", 2, 1, None)
    assert await desk.job(job_id) == body


async def test_what_cannot_run_again_says_why(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("call.flac", speech))
    queued = await desk.transcribe(file_ids=[file_id])
    done = await desk.transcribe(file_ids=[file_id])
    await complete(desk.store, done)
    for job_id, code in ((queued, "job_not_finished"), (done, "nothing_to_retry")):
        answer = await retry(desk, job_id)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    await desk.client.delete(f"/api/v1/results/{done}")
    assert (await retry(desk, done)).json()["code"] == "job_expired"
    assert (await retry(desk, "nobody")).status_code == 404


async def test_a_retry_sent_again_is_made_once(desk: Desk, speech: bytes) -> None:
    job_id = await failed(desk, speech)
    first, again = await retry(desk, job_id, "one"), await retry(desk, job_id, "one")
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert (await retry(desk, job_id, "two")).json()["code"] == "job_not_finished"
    other = await failed(desk, speech)
    assert (await retry(desk, other, "one")).json()["code"] == "idempotency_key_reused"


async def test_of_many_at_once_one_is_made(desk: Desk, speech: bytes) -> None:
    job_id = await failed(desk, speech)
    answers = await asyncio.gather(*(retry(desk, job_id) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    assert (await desk.job(job_id))["attempt"] == 2


async def test_a_server_that_died_before_it_answered_retries_once(desk: Desk, speech: bytes, monkeypatch: Any) -> None:
    job_id = await failed(desk, speech)

    async def taken_over(*_: Any) -> Fresh:
        return Fresh("the-same-id")

    monkeypatch.setattr(desk.store.idempotency, "begin", taken_over)
    answers = [await retry(desk, job_id, "one") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert (await desk.job(job_id))["attempt"] == 2
