"""The plan of kills, the client that loses nothing, and what is said of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import httpx
import pytest

from benchmarks.chaos import Run, Struck, page
from benchmarks.kills import AT_RANDOM, DECK, FIRST, LAST, draw
from benchmarks.load import Load
from benchmarks.promises import Findings


def test_a_seed_is_a_plan_in_which_every_moment_has_its_turn() -> None:
    plan = draw(7, len(DECK), 200)
    assert plan == draw(7, len(DECK), 200)
    assert plan != draw(8, len(DECK), 200)
    assert Counter((kill.role, kill.moment) for kill in plan) == Counter(DECK)
    dues = [kill.after for kill in plan]
    assert dues == sorted(dues)
    assert int(200 * FIRST) <= dues[0]
    assert dues[-1] <= 200 * LAST


def test_a_plan_of_some_moments_only() -> None:
    plan = draw(7, 9, 20, only="webhook")
    assert len(plan) == 9
    assert {kill.moment for kill in plan} == {"between a webhook's sending and its note"}
    assert {kill.role for kill in draw(7, 30, 20, only="prefect")} == {"prefect"}


def test_broken_promises_are_on_the_page() -> None:
    kill = draw(7, 1, 20, only=AT_RANDOM)[0]
    calm = Run("undisturbed", 10.0, found=Findings(figures={"jobs completed": "20"}))
    wild = Run("with kills", 21.5, [Struck(kill, AT_RANDOM, "api", 3.0, 2)], Findings(figures={"jobs completed": "19"}))
    assert "Broken promises: none." in page("SQLite", calm, wild)
    wild.found.claim(False, "job 7 is failed")
    said = page("SQLite", calm, wild)
    assert "- job 7 is failed" in said
    assert "Broken promises: none." not in said
    assert "| jobs completed | 20 | 19 |" in said
    assert "3.0 s,   2 jobs ended: api at random" in said


async def test_the_client_asks_under_one_key_until_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.load.AGAIN_SECONDS", 0.001)
    clip = tmp_path / "a.flac"
    clip.write_bytes(b"flac")
    asked: Counter[tuple[str, str]] = Counter()

    def handle(request: httpx.Request) -> httpx.Response:
        key = (request.url.path, request.headers["Idempotency-Key"])
        asked[key] += 1
        if asked[key] == 1:
            raise httpx.ConnectError("gone")
        if asked[key] == 2:
            return httpx.Response(409, headers={"Retry-After": "0"}, json={"code": "request_in_flight"})
        if request.url.path == "/upload":
            return httpx.Response(201, json={"file_ids": ["f1"]})
        assert json.loads(request.content)["file_ids"] == ["f1"]
        return httpx.Response(202, json={"job_id": key[1]})

    transport = httpx.MockTransport(handle)
    async with httpx.AsyncClient(base_url="http://api", transport=transport) as client:
        load = Load(client, [clip], 3, "http://hook", lambda: 3)
        await load.submit_all()
    assert set(load.jobs) == {"job-0", "job-1", "job-2"}
    assert set(asked.values()) == {3}
    assert sum(load.told.values()) == 8
