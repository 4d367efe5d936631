"""Keys, leases, workers, idempotency."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from speech.clock import now
from speech.errors import UnsupportedOption
from storage.errors import Missing
from storage.idempotency import IN_FLIGHT, KEPT, Conflict, Fresh, InFlight, Replay
from storage.store import Store
from storage.tables import api_keys, idempotency, leases
from storage.workers import WorkerBeat
from tests.storage.conftest import OWNER


async def test_key_opens_until_it_is_revoked(store: Store) -> None:
    assert not await store.keys.any()
    key, secret = await store.keys.create(OWNER, "laptop")
    assert secret.startswith("woa_")
    assert len(secret) >= 46
    assert await store.keys.any()
    verified = await store.keys.verify(secret)
    assert verified is not None
    assert (verified.key_id, verified.owner_id, verified.name) == (key.key_id, OWNER, "laptop")
    await store.keys.revoke(key.key_id)
    await store.keys.revoke(key.key_id)
    assert await store.keys.verify(secret) is None
    assert (await store.keys.list())[0].revoked_at is not None
    assert await store.keys.any()


@pytest.mark.parametrize("wrong", ["", "woa_", "woa_" + "x" * 43, "ä\ud800"])
async def test_wrong_secrets_open_nothing(store: Store, wrong: str) -> None:
    await store.keys.create(OWNER, "laptop")
    assert await store.keys.verify(wrong) is None


async def test_secret_is_nowhere_in_the_database(store: Store) -> None:
    key, secret = await store.keys.create(OWNER, "laptop")
    async with store.database.reading() as connection:
        row = (await connection.execute(select(api_keys))).one()
    assert secret not in str(row)
    assert secret.startswith(key.prefix)
    assert len(key.prefix) < 12


async def test_keys_are_listed_by_owner(store: Store) -> None:
    key, _ = await store.keys.create(OWNER, "laptop")
    assert await store.keys.list("other") == []
    assert await store.keys.list(OWNER) == [key]
    with pytest.raises(Missing) as caught:
        await store.keys.revoke("nobody")
    assert caught.value.code == "key_not_found"


async def test_last_use_is_noted_at_most_once_a_minute(store: Store) -> None:
    _, secret = await store.keys.create(OWNER, "laptop")
    await store.keys.verify(secret)
    first = (await store.keys.list())[0].last_used_at
    await store.keys.verify(secret)
    assert (await store.keys.list())[0].last_used_at == first
    old = now() - timedelta(minutes=2)
    async with store.database.writing() as connection:
        await connection.execute(update(api_keys).values(last_used_at=old))
    await store.keys.verify(secret)
    noted = (await store.keys.list())[0].last_used_at
    assert noted is not None
    assert noted > old


async def test_one_holder_at_a_time(store: Store) -> None:
    holders = [f"control-{number}" for number in range(5)]
    taken = await asyncio.gather(*(store.leases.acquire("control", holder, 60) for holder in holders))
    assert sum(taken) == 1
    holder = holders[taken.index(True)]
    assert await store.leases.acquire("control", holder, 60)
    await store.leases.release("control", "nobody")
    assert not await store.leases.acquire("control", "next", 60)
    await store.leases.release("control", holder)
    assert await store.leases.acquire("control", "next", 60)


async def test_an_expired_lease_goes_to_one_of_the_waiting(store: Store) -> None:
    await store.leases.acquire("control", "dead", 60)
    async with store.database.writing() as connection:
        await connection.execute(update(leases).values(expires_at=now() - timedelta(seconds=1)))
    taken = await asyncio.gather(*(store.leases.acquire("control", f"c{number}", 60) for number in range(4)))
    assert sum(taken) == 1
    assert not await store.leases.acquire("control", "dead", 60)


async def test_workers_come_and_go(store: Store) -> None:
    beat = WorkerBeat("w1", "warm-1", "host", "speech-cpu", "cpu", 4, 1, now(), {"model": "tiny.en"})
    await store.workers.beat(beat)
    await store.workers.beat(WorkerBeat("w2", "warm-2", "host", "speech-cpu", "cpu", 4, 0, now()))
    late = now() - timedelta(seconds=60)
    await store.workers.beat(WorkerBeat("w3", "warm-3", "host", "speech-cpu", "cpu", 4, 0, late, beat_at=late))
    online = await store.workers.online(within_seconds=30)
    assert [(one.worker_id, one.busy, one.details) for one in online] == [
        ("w1", 1, {"model": "tiny.en"}),
        ("w2", 0, {}),
    ]
    await store.workers.gone("w1")
    assert [one.worker_id for one in await store.workers.online(within_seconds=30)] == ["w2"]
    assert len(await store.workers.online(within_seconds=3600)) == 2


async def test_the_same_request_twice_is_answered_from_memory(store: Store) -> None:
    first = await store.idempotency.begin(OWNER, "transcribe", "key", "hash")
    assert isinstance(first, Fresh)
    running = await store.idempotency.begin(OWNER, "transcribe", "key", "hash")
    assert isinstance(running, InFlight)
    assert 0 < running.retry_after <= IN_FLIGHT.total_seconds()
    await store.idempotency.finish(OWNER, "transcribe", "key", 202, b'{"job_id": "x"}')
    assert await store.idempotency.begin(OWNER, "transcribe", "key", "hash") == Replay(202, b'{"job_id": "x"}')
    assert await store.idempotency.begin(OWNER, "transcribe", "key", "other") == Conflict()
    await store.idempotency.abandon(OWNER, "transcribe", "key")
    assert isinstance(await store.idempotency.begin(OWNER, "transcribe", "key", "hash"), Replay)


async def test_routes_and_owners_do_not_mix(store: Store) -> None:
    from sqlalchemy import insert

    from storage.tables import owners

    async with store.database.writing() as connection:
        await connection.execute(insert(owners).values(owner_id="other", created_at=now()))
    for owner, route in ((OWNER, "transcribe"), (OWNER, "upload"), ("other", "transcribe")):
        assert isinstance(await store.idempotency.begin(owner, route, "key", "hash"), Fresh)


async def test_of_many_at_once_one_is_fresh(store: Store) -> None:
    tries = [store.idempotency.begin(OWNER, "transcribe", "key", "hash") for _ in range(8)]
    verdicts = await asyncio.gather(*tries)
    assert [type(verdict) for verdict in verdicts].count(Fresh) == 1
    assert [type(verdict) for verdict in verdicts].count(InFlight) == 7


async def test_abandoned_starts_afresh(store: Store) -> None:
    await store.idempotency.begin(OWNER, "transcribe", "key", "hash")
    await store.idempotency.abandon(OWNER, "transcribe", "key")
    assert isinstance(await store.idempotency.begin(OWNER, "transcribe", "key", "another"), Fresh)


async def test_a_dead_process_is_taken_over_under_the_same_id(store: Store) -> None:
    first = await store.idempotency.begin(OWNER, "transcribe", "key", "hash")
    async with store.database.writing() as connection:
        await connection.execute(update(idempotency).values(taken_at=now() - IN_FLIGHT))
    assert await store.idempotency.begin(OWNER, "transcribe", "key", "hash") == first
    assert isinstance(await store.idempotency.begin(OWNER, "transcribe", "key", "hash"), InFlight)


async def test_answers_are_forgotten_after_a_day(store: Store) -> None:
    await store.idempotency.begin(OWNER, "transcribe", "key", "hash")
    await store.idempotency.finish(OWNER, "transcribe", "key", 202, b"{}")
    async with store.database.writing() as connection:
        await connection.execute(update(idempotency).values(created_at=now() - KEPT - timedelta(seconds=1)))
    assert isinstance(await store.idempotency.begin(OWNER, "transcribe", "key", "hash"), Fresh)


async def test_a_key_may_bring_an_owner_of_its_own(store: Store) -> None:
    _, secret = await store.keys.create("alice", "laptop")
    again, _ = await store.keys.create("alice", "phone")
    found = await store.keys.verify(secret)
    assert found is not None
    assert (found.owner_id, again.owner_id) == ("alice", "alice")


@pytest.mark.parametrize("name", ["", "../etc", "Alice", "a/b", "-x", "a" * 65, "a\n"])
async def test_an_owner_s_name_can_be_a_folder_s(store: Store, name: str) -> None:
    with pytest.raises(UnsupportedOption, match="owner"):
        await store.keys.create(name, "laptop")
