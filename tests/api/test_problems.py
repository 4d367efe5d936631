"""Whatever goes wrong is a problem document, and tells no more than it should."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import sqlite3
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

import api
import speech
import storage
from api import problems
from api.problems import STATUS, Problem
from speech.errors import SpeechError
from speech.settings import Settings
from storage.blobs import BlobsUnusable
from tests.api.conftest import Desk, opened

ELSEWHERE = {"AddressRefused"}
"""Errors that stop a process at its start, and never meet a request."""


def every_error() -> list[type[SpeechError]]:
    for package in (speech, storage, api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("_main") and ".migrations" not in module.name:
                importlib.import_module(module.name)
    found = [SpeechError]
    for kind in found:
        found.extend(each for each in kind.__subclasses__() if each not in found)
    ours = ("speech.", "storage.", "api.", "audio.", "remote.")
    return [kind for kind in found if kind.__module__.startswith(ours) and kind.__name__ not in ELSEWHERE]


def test_every_error_has_a_status() -> None:
    assert {kind.__name__ for kind in every_error() if kind not in STATUS} == set()


def test_only_the_unexpected_is_our_own_mistake() -> None:
    assert [kind.__name__ for kind, status in STATUS.items() if status == 500] == ["SpeechError", "UnexpectedError"]


async def check(answer: httpx.Response, status: int, code: str) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert (problem.status, problem.code) == (status, code)
    assert problem.request_id == answer.headers["x-request-id"]
    assert problem.detail.endswith((".", "?"))
    return problem


async def test_unknown_addresses(desk: Desk) -> None:
    await check(await desk.client.get("/api/v1/nothing"), 404, "not_found")
    await check(await desk.client.get("/secret?token=abc"), 404, "not_found")


@pytest.mark.parametrize("path", ["/tickets", "/stream"])
async def test_routes_of_later_versions_are_not_there(desk: Desk, path: str) -> None:
    answer = await desk.client.post(f"/api/v1{path}", json={})
    assert answer.status_code in (404, 405)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_wrong_methods_name_the_right_ones(desk: Desk) -> None:
    answer = await desk.client.put("/api/v1/upload")
    await check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert (await desk.client.put("/api/v1/jobs/x")).headers["allow"] == "GET, HEAD, DELETE"


async def test_wrong_parameters_are_named(desk: Desk) -> None:
    problem = await check(await desk.client.get("/api/v1/jobs?limit=0&status=nope"), 422, "invalid_request")
    assert problem.errors is not None
    assert {error.field for error in problem.errors} == {"limit", "status"}


@pytest.mark.parametrize(
    "path", ["/jobs/%00", "/jobs/..%2f..", "/files/%ff", "/transcripts/a%20b", "/jobs/" + "x" * 200]
)
async def test_ids_that_cannot_be_are_refused_before_any_look(desk: Desk, path: str) -> None:
    answer = await desk.client.get(f"/api/v1{path}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_mistake_of_ours_leaks_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2 and the words of a transcript")

    monkeypatch.setattr(desk.store.jobs, "get_placed", broken)
    answer = await desk.client.get("/api/v1/jobs/x")
    problem = await check(answer, 500, "internal_error")
    assert "hunter2" not in answer.text
    assert "request id" in problem.detail


async def test_an_error_without_a_status_is_a_mistake_of_ours(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise SpeechError("only for the log: hunter2")

    monkeypatch.setattr(desk.store.jobs, "get_placed", broken)
    answer = await desk.client.get("/api/v1/jobs/x")
    await check(answer, 500, "internal_error")
    assert "hunter2" not in answer.text


async def test_a_broken_database_is_503_and_not_described(desk: Desk) -> None:
    await desk.store.close()
    path = desk.store.database.path
    assert path is not None
    sqlite3.connect(path).executescript("PRAGMA foreign_keys=OFF; DROP TABLE jobs; DROP TABLE owners;")
    answer = await desk.client.get("/api/v1/jobs/x")
    problem = await check(answer, 503, "database_unusable")
    assert answer.headers["retry-after"]
    assert str(path) not in problem.detail
    assert "sqlite" not in answer.text.lower()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError("10.1.2.3"), "not_ready"),
        (TimeoutError("10.1.2.3"), "not_ready"),
        (OSError(errno.ESTALE, "10.1.2.3"), "not_ready"),
        (DBAPIError("SELECT 10.1.2.3", None, Exception(), connection_invalidated=True), "not_ready"),
        (BlobsUnusable("10.1.2.3"), "blobs_unusable"),
    ],
)
async def test_an_outage_that_is_over_when_one_looks_is_503(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(desk.store.jobs, "get_placed", broken)
    answer = await desk.client.get("/api/v1/jobs/x")
    await check(answer, 503, code)
    assert int(answer.headers["retry-after"]) > 0
    assert "10.1.2.3" not in answer.text


async def test_a_bucket_that_is_away_is_503(changed: Callable[..., Settings], speech: bytes) -> None:
    """Nothing listens on port 1."""
    options = {"endpoint_url": "http://127.0.0.1:1", "key": "x", "secret": "x"}
    once = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    async with opened(changed(blob_url="s3://bucket", blob_options=options | once)) as desk:
        answer = await desk.client.post("/api/v1/upload", files=[("files", ("a.flac", speech))])
        await check(answer, 503, "blobs_unusable")
        assert int(answer.headers["retry-after"]) > 0
        assert "127.0.0.1" not in answer.text


@given(st.lists(st.one_of(st.integers(0, 9), st.text("ab.", min_size=1, max_size=3))))
def test_paths_of_fields_read_like_the_request(parts: list[int | str]) -> None:
    path = problems.field_errors([{"loc": tuple(parts), "msg": "m", "type": "t"}])[0].field
    assert path.count("[") == sum(isinstance(part, int) for part in parts)
    assert not path.startswith(".") or (isinstance(parts[0], str) and parts[0].startswith("."))


def test_field_errors_hold_no_values() -> None:
    found = problems.field_errors([{"loc": ("a", 0, "b"), "msg": "bad", "type": "t", "input": "secret", "ctx": {}}])
    assert found[0].field == "a[0].b"
    assert "secret" not in repr(found)
