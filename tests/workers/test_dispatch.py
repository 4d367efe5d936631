"""Looking at the queue while it changes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

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
