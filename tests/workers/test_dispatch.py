"""Looking at the queue while it changes."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from tests.workers.test_choice import run
from workers.choice import Choice, Room
from workers.dispatch import Dispatcher, Look


@pytest.mark.parametrize(
    ("heard", "chosen", "looks"),
    [("express", "normal", 2), ("normal", "normal", 1), (None, "normal", 1), ("express", "express", 1)],
)
async def test_what_is_urgent_and_comes_during_a_look_is_looked_at_before_others_are_claimed(
    heard: str | None, chosen: str, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    dispatcher = Dispatcher(nothing, nothing, "pool", "worker", lambda: ("express", "normal"), nothing)
    seen: list[Look] = []

    async def look(room: Room) -> Look:
        if not seen:
            dispatcher.hear(uuid4(), heard)
        seen.append(Look(Choice([run("a", chosen)]), {}, 0.0, 1, False))
        return seen[-1]

    monkeypatch.setattr(dispatcher, "_look", look)
    assert await dispatcher._newest(Room(1)) is seen[-1]
    assert len(seen) == looks
    assert dispatcher.wake.is_set()


class OnePlace:
    """Places of which so many are left once the run has its own."""

    def __init__(self, left: int) -> None:
        self.free = left
        self.released: list[UUID] = []

    def reserve(self, run_id: UUID, guest: object) -> bool:
        return True

    def release(self, run_id: UUID) -> None:
        self.released.append(run_id)


@pytest.mark.parametrize(
    ("heard", "chosen", "left", "claims"),
    [
        ("express", "normal", 0, 0),
        ("express", "normal", 1, 1),
        ("express", "express", 0, 1),
        ("normal", "normal", 0, 1),
    ],
)
async def test_the_last_place_is_not_claimed_for_others_once_something_urgent_came(
    heard: str, chosen: str, left: int, claims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing: Any = None
    places: Any = OnePlace(left)
    dispatcher = Dispatcher(nothing, nothing, "pool", "worker", lambda: ("express", "normal"), places)
    claimed: list[UUID] = []

    async def claim(client: object, wanted: FlowRun) -> None:
        claimed.append(wanted.id)

    monkeypatch.setattr("workers.dispatch.claim", claim)
    waiting = run("a", chosen)
    dispatcher.hear(uuid4(), heard)
    look = Look(Choice([waiting]), {}, time.monotonic(), 1, False)
    assert not await dispatcher._start(waiting, places, look)
    assert claimed == [waiting.id] * claims
    assert places.released == [waiting.id]
