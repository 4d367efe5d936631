"""Signs of life, when the database does not answer."""

from __future__ import annotations

import asyncio

import pytest

from speech.clock import now
from speech.settings import Settings
from storage.store import Store
from storage.workers import WorkerBeat
from workers.affinity import Affinity
from workers.beat import Heart
from workers.service import PoolService


async def test_a_beat_that_nobody_takes_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(settings)
    heart = Heart(PoolService(settings), store, Affinity(store, "me", "pool", 0))
    beat = WorkerBeat("me", "me", "host", "pool", "cpu", 1, 0, now())

    async def never(_: WorkerBeat) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("workers.beat.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(store.database, "sqlite", False)
    monkeypatch.setattr(store.workers, "beat", never)
    monkeypatch.setattr(heart, "_beat", lambda: beat)
    await asyncio.wait_for(heart.beat(), 10)
    assert heart._outage.away
    await store.close()
