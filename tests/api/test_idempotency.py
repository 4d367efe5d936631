"""Idempotency-Key: sent again, answered again, done once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import api.idempotency
import storage.idempotency
from api.answers import Answer
from api.idempotency import once
from api.refusals import RequestInFlight
from storage.idempotency import Fresh
from tests.api.conftest import Desk, complete

KEY = {"Idempotency-Key": "6f1d-first"}


async def ask(desk: Desk, body: Any, key: str = KEY["Idempotency-Key"]) -> Any:
    return await desk.client.post("/api/v1/transcribe", json=body, headers={"Idempotency-Key": key})


async def jobs(desk: Desk) -> list[str]:
    return [job.job_id for job in (await desk.store.jobs.list("default"))[0]]


async def test_the_same_body_has_the_same_answer(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    first = await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})
    await complete(desk.store, first.json()["job_id"])
    again = await ask(desk, {"model": "tiny.en", "file_ids": file_ids})
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await jobs(desk) == [first.json()["job_id"]]


async def test_another_body_is_422(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})
    other = await ask(desk, {"file_ids": file_ids, "model": "base"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await jobs(desk)) == 1


async def test_another_key_is_another_job(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    for key in ("one", "two"):
        await ask(desk, {"file_ids": file_ids, "model": "tiny.en"}, key)
    assert len(await jobs(desk)) == 2


async def test_a_refusal_frees_the_key(desk: Desk, speech: bytes) -> None:
    assert (await ask(desk, {"file_ids": ["nope"], "model": "tiny.en"})).status_code == 404
    file_ids = await desk.upload(("call.flac", speech))
    assert (await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})).status_code == 202


async def test_in_flight_is_409(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("call.flac", speech))
    create, reached, go_on = desk.store.jobs.create_placed, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **named: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await create(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.store.jobs, "create_placed", slow)
        first = asyncio.create_task(ask(desk, {"file_ids": file_ids, "model": "tiny.en"}))
        await reached.wait()
        second = await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})
        assert (second.status_code, second.json()["code"]) == (409, "request_in_flight")
        assert int(second.headers["retry-after"]) >= 1
        go_on.set()
        assert (await first).status_code == 202
    assert len(await jobs(desk)) == 1


async def test_a_request_that_takes_long_stays_in_flight(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only when nobody says any more that they are at it, it is taken over, with the id that it had."""
    monkeypatch.setattr(storage.idempotency, "IN_FLIGHT", timedelta(seconds=0.4))
    monkeypatch.setattr(api.idempotency, "_KEEP_SECONDS", 0.05)
    done, named = asyncio.Event(), list[str]()

    async def do(resource_id: str) -> Answer:
        named.append(resource_id)
        await done.wait()
        return Answer(202, b"{}")

    first = asyncio.create_task(once(desk.store, "default", "route", "key", "hash", do))
    for _ in range(8):
        await asyncio.sleep(0.1)
        with pytest.raises(RequestInFlight):
            await once(desk.store, "default", "route", "key", "hash", do)
    first.cancel()
    await asyncio.wait({first})
    await asyncio.sleep(0.5)
    done.set()
    assert (await once(desk.store, "default", "route", "key", "hash", do)).status == 202
    assert len(named) == 2
    assert len(set(named)) == 1


async def test_after_an_unknown_end_the_same_job_is_used(desk: Desk, speech: bytes) -> None:
    """The server died after the job was stored, before the answer was: the next try finds that job."""
    file_ids = await desk.upload(("call.flac", speech))
    finish = desk.store.idempotency.finish

    async def dies(*_: Any) -> None:
        raise OSError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.store.idempotency, "finish", dies)
        assert (await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})).status_code == 500
    assert desk.store.idempotency.finish == finish
    (job_id,) = await jobs(desk)

    async def taken_over(*_: Any) -> Fresh:
        return Fresh(job_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.store.idempotency, "begin", taken_over)
        again = await ask(desk, {"file_ids": file_ids, "model": "tiny.en"})
    assert (again.status_code, again.json()["job_id"]) == (202, job_id)
    assert await jobs(desk) == [job_id]


async def test_an_upload_sent_again_is_kept_once(desk: Desk, speech: bytes) -> None:
    """Each try has a boundary of its own: what counts are names, types and bytes."""
    answers = [
        await desk.client.post("/api/v1/upload", files=[("files", ("call.flac", speech))], headers=KEY)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert len(desk.blobs()) == 1


async def test_an_upload_of_other_bytes_is_422_and_gone(desk: Desk, speech: bytes) -> None:
    await desk.client.post("/api/v1/upload", files=[("files", ("call.flac", speech))], headers=KEY)
    other = await desk.client.post("/api/v1/upload", files=[("files", ("call.flac", speech + b"x"))], headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(desk.blobs()) == 1


async def test_one_key_on_two_routes_is_two_keys(desk: Desk, speech: bytes) -> None:
    upload = await desk.client.post("/api/v1/upload", files=[("files", ("call.flac", speech))], headers=KEY)
    assert (await ask(desk, {"file_ids": upload.json()["file_ids"], "model": "tiny.en"})).status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\u00e9".encode("latin-1")])
async def test_unlawful_keys_are_422(desk: Desk, key: str | bytes) -> None:
    for path in ("transcribe", "upload"):
        answer = await desk.client.post(f"/api/v1/{path}", json={}, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
