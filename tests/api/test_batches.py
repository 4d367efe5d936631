"""Batches over HTTP: every item checked, all accepted or none, summed up, stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.refusals import BatchRefused, FieldError
from speech.jobs import JobStatus
from speech.settings import Settings
from tests.api.conftest import Desk, complete, opened

DEFAULTS = {"model": "tiny.en", "language": "en", "metadata": {"batch": 1}}


async def post(desk: Desk, items: Any, defaults: Any = DEFAULTS, **headers: str) -> Any:
    body = {"defaults": defaults, "items": items}
    return await desk.client.post("/api/v1/batches", json=body, headers=headers)


async def refused(desk: Desk, items: Any, defaults: Any = DEFAULTS) -> tuple[int, str, list[str]]:
    problem = (await post(desk, items, defaults)).json()
    assert await desk.store.jobs.list("default") == ([], None)
    return problem["status"], problem["code"], [error["field"] for error in problem.get("errors", [])]


async def test_a_batch_from_its_beginning_to_its_end(desk: Desk, speech: bytes) -> None:
    file_ids = await desk.upload(("a.flac", speech), ("b.flac", speech))
    items = [{"file_ids": [file_ids[0]], "priority": "express"}, {"file_ids": [file_ids[1]], "model_size": "base"}]
    answer = await post(desk, items)
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == body["links"]["self"] == f"/api/v1/batches/{body['batch_id']}"
    jobs = [await desk.store.jobs.get("default", job_id) for job_id in body["job_ids"]]
    assert [(job.priority, job.request.model, job.request.language) for job in jobs] == [
        ("express", "tiny.en", "en"),
        ("normal", "base", "en"),
    ]
    assert [job.metadata for job in jobs] == [{"batch": 1}] * 2
    await complete(desk.store, body["job_ids"][0])
    seen = (await desk.client.get(answer.headers["location"])).json()
    assert {name: seen[name] for name in ("batch_id", "jobs_count", "progress", "finished", "next_cursor")} == {
        "batch_id": body["batch_id"],
        "jobs_count": 2,
        "progress": 50.0,
        "finished": False,
        "next_cursor": None,
    }
    assert seen["counts"] == {**dict.fromkeys(JobStatus, 0), "completed": 1, "queued": 1}
    assert [(job["job_id"], job["status"], job["position"]) for job in seen["jobs"]] == [
        (body["job_ids"][0], "completed", 0),
        (body["job_ids"][1], "queued", 1),
    ]
    for _ in range(2):
        stopped = await desk.client.delete(answer.headers["location"])
        assert (stopped.status_code, stopped.json()["finished"]) == (202, True)
        assert [job["status"] for job in stopped.json()["jobs"]] == ["completed", "cancelled"]
    listed = (await desk.client.get("/api/v1/batches")).json()
    assert [batch["batch_id"] for batch in listed["batches"]] == [body["batch_id"]]
    assert "jobs" not in listed["batches"][0]


async def test_what_is_wrong_is_named_by_item(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("a.flac", speech))
    good = {"file_ids": [file_id]}
    assert await refused(desk, [good, good, good, good | {"language": "english!"}]) == (
        422,
        "invalid_request",
        ["items[3].language"],
    )
    wrong = [good | {"model": "nope"}, good, {}, good | {"vad": {"threshold": 2}}, good | {"enhance": True}]
    assert await refused(desk, wrong) == (
        422,
        "model_not_found",
        ["items[0].model", "items[2].file_ids", "items[3].vad.threshold", "items[4].enhance"],
    )
    assert await refused(desk, [good, {"file_ids": [file_id, "nope"]}, {"file_ids": ["gone"]}]) == (
        404,
        "file_not_found",
        ["items[1].file_ids[1]", "items[2].file_ids[0]"],
    )
    assert await refused(desk, [good | {"urls": ["ftp://host/a.mp3"]}]) == (422, "url_refused", ["items[0].urls[0]"])
    assert await refused(desk, [good | {"model": "base", "model_size": "tiny"}]) == (
        422,
        "invalid_request",
        ["items[0]"],
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"items": []}, ["items"]),
        ({}, ["items"]),
        ([], [""]),
        ({"items": ["a"]}, ["items[0]"]),
        ({"items": [{"file_ids": ["a"]}], "more": 1}, ["more"]),
        ({"items": [{"file_ids": ["a"]}], "defaults": {"urls": ["https://host/a"]}}, ["defaults.urls"]),
        ({"items": [{"file_ids": ["a"]}] * 4}, ["items"]),
        ({"items": [{"file_ids": ["a"]}], "defaults": {"script": "A text."}}, ["defaults.script"]),
        ({"items": [{"file_ids": ["a"]}], "defaults": {"parameters": {"x": "y" * 70_000}}}, ["defaults"]),
    ],
)
async def test_a_body_that_is_no_batch(changed: Callable[..., Settings], body: Any, fields: list[str]) -> None:
    async with opened(changed(max_batch_items=3)) as desk:
        answer = await desk.client.post("/api/v1/batches", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert [error["field"] for error in answer.json()["errors"]] == fields


async def test_what_is_wrong_a_thousand_times_is_named_a_hundred_times(desk: Desk) -> None:
    unknown = {f"field{number}": 1 for number in range(150)}
    problem = (await post(desk, [{"urls": ["https://host/a"]}] * 300, unknown)).json()
    assert (problem["code"], len(problem["errors"])) == ("invalid_request", 100)


async def test_a_queue_that_has_no_room_for_all_takes_none(changed: Callable[..., Settings], speech: bytes) -> None:
    async with opened(changed(max_queued_jobs=2)) as desk:
        (file_id,) = await desk.upload(("a.flac", speech))
        assert await refused(desk, [{"file_ids": [file_id]}] * 3) == (429, "queue_full", [])
        assert (await post(desk, [{"file_ids": [file_id]}] * 2)).status_code == 202


async def test_a_batch_sent_again_is_made_once(desk: Desk, speech: bytes) -> None:
    (file_id,) = await desk.upload(("a.flac", speech))
    key = {"Idempotency-Key": "one"}
    first = await post(desk, [{"file_ids": [file_id]}] * 3, **key)
    again = await post(desk, [{"file_ids": [file_id]}] * 3, **key)
    assert (again.status_code, again.content) == (202, first.content)
    assert (await post(desk, [{"file_ids": [file_id]}], **key)).json()["code"] == "idempotency_key_reused"
    assert len((await desk.store.jobs.list("default"))[0]) == 3


async def test_unknown_batches_are_404(desk: Desk) -> None:
    for method in ("GET", "DELETE"):
        answer = await desk.client.request(method, "/api/v1/batches/nobody")
        assert (answer.status_code, answer.json()["code"]) == (404, "batch_not_found")
    assert (await desk.client.get("/api/v1/batches?cursor=x")).status_code == 422


def test_a_refusal_survives_pickling() -> None:
    import pickle

    error = BatchRefused("No.", [FieldError("items[0]", "No.", "missing")], code="model_not_found")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, again.errors) == (error.code, error.message, error.errors)
