"""JSON bodies: strict, small, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import JSON_BYTES, JSON_DEPTH, parse_json
from api.refusals import MalformedBody
from tests.api.conftest import Desk

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé\u4e00🎧 \\"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=12,
)


def test_a_name_that_comes_twice_among_very_many_is_found_at_once() -> None:
    body = "{" + ",".join(f'"{number:06}":0' for number in (*range(100_000), 99_999)) + "}"
    with pytest.raises(MalformedBody, match="099999"):
        parse_json(body.encode())


@given(VALUES)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary() | st.text('{}[]",:1eE+-.\\u0d8 nulltrue').map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    said = ""
    try:
        parse_json(body)
    except MalformedBody as error:
        said = error.message
    assert said == "" or said.endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"metadata": {"x": 1e400}}',
        b'{"metadata": {"x": [[{"y": -1E+999}]]}}',
        b'{"vad": {"threshold": 1e309}}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1),
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
)
async def test_broken_json_is_422(desk: Desk, body: bytes) -> None:
    answer = await desk.client.post("/api/v1/transcribe", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_body")


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"'])
async def test_json_that_is_no_object_is_422(desk: Desk, body: str) -> None:
    answer = await desk.client.post("/api/v1/transcribe", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_other_media_types_are_415(desk: Desk, content_type: str) -> None:
    """A form of a web page can post text/plain without asking; JSON it cannot."""
    answer = await desk.client.post("/api/v1/transcribe", content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_large_body_is_413_declared_or_not(desk: Desk) -> None:
    async def undeclared() -> Any:
        for _ in range(3):
            yield b" " * (JSON_BYTES // 2)

    headers = {"Content-Type": "application/json"}
    for body in (b" " * (JSON_BYTES + 1), undeclared()):
        answer = await desk.client.post("/api/v1/transcribe", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_just_small_enough_is_read(desk: Desk) -> None:
    body = b'{"file_ids": ["x"], "model": "tiny.en"}'
    answer = await desk.client.post(
        "/api/v1/transcribe",
        content=body.ljust(JSON_BYTES),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert answer.json()["code"] == "file_not_found"
