"""Ingests over HTTP: what is asked for is checked to the end, and belongs to its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from speech.ingestion import ObjectStatus, RunStatus
from speech.settings import Settings
from storage.ingest_objects import Met
from storage.ingest_runs import Counts
from tests.api.conftest import Desk, opened

INGESTS = "/api/v1/ingests"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "calls"
    made.mkdir()
    return made


@pytest.fixture
async def station(changed: Callable[..., Settings], folder: Path) -> AsyncIterator[Desk]:
    stores = {
        "calls": {"url": f"file://{folder}", "write": True},
        "bucket": {"url": "s3://calls", "options": {"secret": "hush"}},
    }
    async with opened(changed(ingest_stores=stores, max_ingests=2)) as desk:
        yield desk


async def create(desk: Desk, **body: Any) -> dict[str, Any]:
    answer = await desk.client.post(INGESTS, json={"request": {"model": "tiny.en"}, **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{INGESTS}/{answer.json()['ingest_id']}"
    return dict(answer.json())


async def test_one_is_made_shown_changed_and_deleted(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}", schedule="0 * * * *", timezone="Europe/Berlin")
    where = f"{INGESTS}/{made['ingest_id']}"
    assert (await station.client.get(where)).json() == made
    changed = await station.client.patch(where, json={"enabled": False, "pattern": "*.wav"})
    assert (changed.status_code, changed.json()["enabled"], changed.json()["schedule"]) == (200, False, "0 * * * *")
    assert [one["ingest_id"] for one in (await station.client.get(INGESTS)).json()["ingests"]] == [made["ingest_id"]]
    assert (await station.client.delete(where)).status_code == 204
    for answer in (await station.client.get(where), await station.client.delete(where)):
        assert (answer.status_code, answer.json()["code"]) == (404, "ingest_not_found")


async def test_more_than_are_allowed_are_refused(station: Desk) -> None:
    for name in ("one", "two"):
        await create(station, url=f"s3://calls/{name}")
    answer = await station.client.post(INGESTS, json={"url": "s3://calls/three", "request": {"model": "tiny.en"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_ingests")


async def test_secrets_of_the_operator_are_not_shown(station: Desk) -> None:
    made = await create(station, url="s3://calls/in")
    assert "hush" not in str(made)
    assert "hush" not in (await station.client.get(INGESTS)).text


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "url", "missing"),
        ({"url": "s3://others/in"}, "url", "place_refused"),
        ({"url": "file:///etc"}, "url", "place_refused"),
        ({"url": "https://host/x"}, "url", "place_refused"),
        ({"url": "s3://calls", "schedule": "61 * * * *"}, "schedule", "value_error"),
        ({"url": "s3://calls", "schedule": "* * * * * *"}, "schedule", "value_error"),
        ({"url": "s3://calls", "timezone": "Mars/Base"}, "timezone", "value_error"),
        ({"url": "s3://calls", "results": {"to": "next_to_source"}}, "results.to", "place_refused"),
        ({"url": "s3://calls", "request": {"urls": ["https://x/y"]}}, "body", "value_error"),
        ({"url": "s3://calls", "request": {"model": "none"}}, "request.model", "model_not_found"),
        ({"url": "s3://calls", "options": {"key": "x"}}, "options", "extra_forbidden"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    station: Desk, body: dict[str, Any], field: str, code: str
) -> None:
    answer = await station.client.post(INGESTS, json=body)
    assert answer.status_code == 422, answer.text
    first = answer.json()["errors"][0]
    assert (first["field"] or "body", first["code"]) == (field, code)
    assert (await station.client.get(INGESTS)).json()["ingests"] == []


async def test_a_change_is_checked_like_the_whole(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    where = f"{INGESTS}/{made['ingest_id']}"
    for body in ({"url": "file:///etc"}, {"nonsense": 1}, [], {"tries": 0}):
        assert (await station.client.patch(where, json=body)).status_code == 422
    assert (await station.client.get(where)).json() == made


async def test_it_can_be_disabled_whatever_has_changed_around_it(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    stored = (await station.store.ingests.get("default", made["ingest_id"])).options
    request = stored.request.model_copy(update={"provider": "gone"})
    await station.store.ingests.change("default", made["ingest_id"], stored.model_copy(update={"request": request}))
    where = f"{INGESTS}/{made['ingest_id']}"
    assert (await station.client.patch(where, json={"tries": 5})).status_code == 422
    changed = await station.client.patch(where, json={"enabled": False})
    assert (changed.status_code, changed.json()["enabled"]) == (200, False)


async def test_of_two_changes_at_once_both_count(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    where = f"{INGESTS}/{made['ingest_id']}"
    changes: list[dict[str, Any]] = [{"enabled": False}, {"pattern": "*.wav"}, {"tries": 7}]
    await asyncio.gather(*(station.client.patch(where, json=change) for change in changes))
    found = (await station.client.get(where)).json()
    assert (found["enabled"], found["pattern"], found["tries"]) == (False, "*.wav", 7)


async def test_what_is_wrong_with_the_request_is_named_inside_of_it(station: Desk, folder: Path) -> None:
    body = {"url": f"file://{folder}", "request": {"metadata": {"a": "x" * 100_000}}}
    problem = (await station.client.post(INGESTS, json=body)).json()
    assert [error["field"] for error in problem["errors"]] == ["request.metadata"]


async def test_another_owners_ingests_do_not_exist(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    _, key = await station.store.keys.create("alice", "hers")
    hers = {"Authorization": f"Bearer {key}"}
    where = f"{INGESTS}/{made['ingest_id']}"
    for method, path in [
        ("GET", where),
        ("DELETE", where),
        ("POST", f"{where}/run"),
        ("GET", f"{where}/objects"),
        ("POST", f"{where}/retry"),
        ("GET", f"{where}/runs"),
    ]:
        answer = await station.client.request(method, path, headers=hers)
        assert (answer.status_code, answer.json()["code"]) == (404, "ingest_not_found")
    assert (await station.client.patch(where, json={}, headers=hers)).status_code == 404
    assert (await station.client.get(INGESTS, headers=hers)).json()["ingests"] == []


async def test_objects_and_runs_are_shown_in_pages(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    ingest = await station.store.ingests.get("default", made["ingest_id"])
    met = [Met(f"file://{folder}/{number}.wav", "1", 5, None) for number in range(3)]
    await station.store.ingest_objects.take(ingest, [*met, Met("file:///x", "1", 5, None, "No.")], max_unfinished=9)
    run_id = await station.store.ingest_runs.begin(ingest, "run-1")
    await station.store.ingest_runs.end(run_id, RunStatus.COMPLETED, Counts(submitted=3))
    where = f"{INGESTS}/{made['ingest_id']}"
    page = (await station.client.get(f"{where}/objects", params={"status": "submitted", "limit": 2})).json()
    rest = (
        await station.client.get(
            f"{where}/objects", params={"status": "submitted", "limit": 2, "cursor": page["next_cursor"]}
        )
    ).json()
    assert len({one["url"] for one in page["objects"] + rest["objects"]}) == 3
    refused = (await station.client.get(f"{where}/objects", params={"status": "quarantined"})).json()["objects"]
    assert [(one["error"], one["error_code"]) for one in refused] == [("No.", "name_refused")]
    runs = (await station.client.get(f"{where}/runs")).json()["runs"]
    assert [(one["status"], one["counts"]["submitted"]) for one in runs] == [("completed", 3)]


async def test_asking_for_a_run_is_kept(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    answer = await station.client.post(f"{INGESTS}/{made['ingest_id']}/run")
    assert (answer.status_code, answer.json()["ingest_id"]) == (202, made["ingest_id"])
    assert [run.ingest_id for run in await station.store.ingests.wanted()] == [made["ingest_id"]]


async def test_the_same_request_again_is_one_ingest(station: Desk, folder: Path) -> None:
    body = {"url": f"file://{folder}", "request": {"model": "tiny.en"}}
    for _ in range(2):
        answer = await station.client.post(INGESTS, json=body, headers={"Idempotency-Key": "once"})
        assert answer.status_code == 201
    assert len((await station.client.get(INGESTS)).json()["ingests"]) == 1


async def test_quarantined_objects_are_tried_again_when_somebody_asks(station: Desk, folder: Path) -> None:
    made = await create(station, url=f"file://{folder}")
    where, objects = f"{INGESTS}/{made['ingest_id']}", station.store.ingest_objects
    ingest = await station.store.ingests.get("default", made["ingest_id"])
    met = [Met(f"file://{folder}/{name}", "1", 5, None) for name in ("a", "b")]
    await objects.take(ingest, [*met, Met("file:///x", "1", 5, None, "No.")], max_unfinished=9)
    for one in (await objects.list(ingest.ingest_id, status=ObjectStatus.SUBMITTED))[0]:
        await objects.settle(one, ObjectStatus.QUARANTINED, "It is broken.", "invalid_audio")
    held = (await station.client.get(f"{where}/objects", params={"status": "quarantined"})).json()["objects"]
    chosen = next(one["object_id"] for one in held if one["job_id"])
    answer = await station.client.post(f"{where}/retry", params={"object_id": chosen})
    assert (answer.status_code, answer.json()["released"], answer.json()["runs"]) == (202, 1, f"{where}/runs")
    assert (await station.client.post(f"{where}/retry")).json()["released"] == 1
    assert (await station.client.post(f"{where}/retry")).json()["released"] == 0
    found, _ = await objects.list(ingest.ingest_id)
    assert sorted((str(one.status), one.tries) for one in found) == [
        ("quarantined", 0),
        ("submitted", 0),
        ("submitted", 0),
    ]
    wanted = await station.store.ingests.wanted()
    assert [one.ingest_id for one in wanted] == [ingest.ingest_id]
