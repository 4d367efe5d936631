"""Who has a model in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Scheduled

from speech.clock import now
from speech.settings import Settings
from storage.due import DueJob
from storage.store import Store
from storage.workers import WorkerBeat
from workers.affinity import KEPT_SECONDS, Affinity
from workers.chores import ThreadPlaces
from workers.dispatch import Dispatcher
from workers.threads import RunThreads


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = Store.open(settings)
    await store.migrate()
    yield store
    await store.close()


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


async def beat(store: Store, worker_id: str, busy: int, *warm: str) -> None:
    beat = WorkerBeat(worker_id, worker_id, "host", "pool", "cpu", 2, busy, now(), {"warm": list(warm)})
    await store.workers.beat(beat)


async def test_a_model_is_better_left_to_a_worker_that_has_it_and_room(store: Store) -> None:
    clock = Clock()
    mine = Affinity(store, "mine", "pool", 60, clock)
    await beat(store, "other", 1, "w/tiny")
    await beat(store, "full", 2, "w/base")
    await beat(store, "mine", 0, "w/large")
    await mine.look(["w/tiny"])
    assert [mine.better_elsewhere(model) for model in ("w/tiny", "w/base", "w/large")] == [True, False, False]
    mine.used("w/tiny")
    assert not mine.better_elsewhere("w/tiny")
    await store.workers.gone("other")
    mine.lost()
    assert mine.better_elsewhere("w/tiny")
    clock.at += KEPT_SECONDS
    await mine.look(["w/tiny"])
    assert not mine.better_elsewhere("w/tiny")


async def test_no_model_is_better_left_to_a_worker_that_is_not_well(store: Store) -> None:
    sick = {"warm": ["w/tiny"], "trouble": {"code": "storage_full", "seconds": 8}}
    await store.workers.beat(WorkerBeat("sick", "sick", "host", "pool", "cpu", 2, 0, now(), sick))
    mine = Affinity(store, "mine", "pool", 60, Clock())
    await mine.look(["w/tiny"])
    assert not mine.better_elsewhere("w/tiny")


async def test_a_model_is_warm_until_it_was_idle_for_as_long_as_it_is_kept(store: Store) -> None:
    clock = Clock()
    mine = Affinity(store, "mine", "pool", 60, clock)
    mine.used("a")
    mine.used("a")
    assert (mine.claims, mine.hits, mine.warm) == (2, 1, ("a",))
    clock.at += 61
    assert mine.warm == ()
    forever = Affinity(store, "mine", "pool", 0, clock)
    forever.used("a")
    clock.at += 1e6
    assert forever.warm == ("a",)


async def test_what_went_back_to_its_place_in_the_queue_is_left_to_others_for_a_moment_too(store: Store) -> None:
    await beat(store, "other", 1, "w/tiny")
    affinity = Affinity(store, "mine", "pool", 60)
    await affinity.look(["w/tiny"])
    places = ThreadPlaces(1, RunThreads(cast(Any, None)))
    mine = Dispatcher(cast(Any, None), store, "pool", "mine", lambda: ("normal",), places, affinity=affinity)
    job = DueJob("job", "owner", "w/tiny", suspect=False)
    long_ago = now() - timedelta(hours=1)

    def left(since: datetime) -> bool:
        state = Scheduled(scheduled_time=long_ago, timestamp=since)
        run = FlowRun(id=uuid4(), flow_id=uuid4(), next_scheduled_start_time=long_ago, state=state)
        return mine._leave_to_others(run, job)

    assert [left(now()), left(long_ago)] == [True, False]
