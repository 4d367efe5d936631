"""What JSON can say and databases cannot keep: refused at the door, or given back as it came; never a 500."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest

from speech.settings import Settings
from tests.api.conftest import Desk, opened
from tests.postgres_server import emptied, postgres_database, postgres_url

__all__ = ["postgres_database", "postgres_url"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def either(request: pytest.FixtureRequest, changed: Callable[..., Settings]) -> AsyncIterator[Desk]:
    """An app on each database."""
    settings = changed()
    if request.param == "postgres":
        settings = changed(database_url=emptied(request.getfixturevalue("postgres_database")))
    async with opened(settings) as desk:
        yield desk


async def asked(desk: Desk, fields: str) -> tuple[int, str, str]:
    body = f'{{"urls": ["https://example.com/a.mp3"], "model": "tiny.en", {fields}}}'
    headers = {"Content-Type": "application/json"}
    answer = await desk.client.post("/api/v1/transcribe", content=body.encode(), headers=headers)
    found = answer.json()
    return answer.status_code, found.get("code", ""), found.get("job_id", "")


async def test_what_cannot_be_kept_is_refused_wherever_it_stands(either: Desk) -> None:
    values = ["1e400", "-1e999", "NaN", '"\\ud800"', '"\\udc00 x"', '"a\\u0000b"']
    for value in values:
        for fields in (f'"metadata": {{"x": {value}}}', f'"metadata": {{"x": [{{"y": [{value}]}}]}}'):
            assert await asked(either, fields) == (422, "malformed_body", ""), fields
    for text in ('"\\ud800"', '"a\\u0000b"'):
        for fields in (f'"metadata": {{{text}: 1}}', f'"initial_prompt": {text}', f'"hotwords": [{text}]'):
            assert await asked(either, fields) == (422, "malformed_body", ""), fields


async def test_what_can_be_kept_comes_back(either: Desk) -> None:
    metadata = {"\uffff": "\U0001f3a7\ufdd0\u202e", "large": 1.7e308, "long": 10**400, "\x01": "\x7f\x85\u2028"}
    words = {"initial_prompt": "\x01\uffff", "hotwords": ["\U0001f3a7"]}
    fields = json.dumps({"metadata": metadata, **words})[1:-1]
    status, _, job_id = await asked(either, fields)
    assert status == 202
    assert (await either.job(job_id))["metadata"] == metadata


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/a%00b.mp3", "ab.mp3"),
        ("https://example.com/x%2F..%2F", "example.com"),
        ("https://example.com/x%2F..%2Fc.mp3", "c.mp3"),
        ("https://example.com/%ED%A0%80.mp3", "\ufffd\ufffd\ufffd.mp3"),
        ("https://example.com/%00", "example.com"),
    ],
)
async def test_urls_are_shown_by_harmless_names(either: Desk, url: str, name: str) -> None:
    answer = await either.client.post("/api/v1/transcribe", json={"urls": [url], "model": "tiny.en"})
    assert answer.status_code == 202, answer.text
    assert (await either.job(answer.json()["job_id"]))["files"][0]["filename"] == name
