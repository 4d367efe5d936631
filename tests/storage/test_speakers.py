"""Speakers and their takes, on both databases: whose they are, how they become known, and that deleted is gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from speech.clock import now
from speech.errors import InvalidAudio
from speech.speakers import MOST_TAKES, SpeakerStatus, TakeStatus
from storage.errors import FileInUse, LastTake, Missing, SpeakerExists, TooManySpeakers
from storage.ids import new_id
from storage.speaker_tables import speaker_takes, speakers
from storage.speakers import Speaker
from storage.steps import step_blob
from storage.store import Store
from storage.tables import idempotency
from storage.takes import MOST_TRIES
from tests.storage.conftest import OWNER, Desk
from tests.storage.test_deletion import everything_stored

MODEL, OTHER_MODEL = "voices/1/sha256:a", "voices/1/sha256:b"
VECTOR = (0.6, 0.8, 0.0)
PACKED = r"\x9a\x99\x19?"
"""0.6 as a little-endian float32, as it is written among rows."""


def plainly(stored: str) -> str:
    return stored.replace("\\\\", "\\")


async def enrol(store: Store, desk: Desk, name: str = "Ada", owner: str = OWNER, takes: int = 1) -> Speaker:
    files = [await desk.file(owner=owner) for _ in range(takes)]
    return await store.speakers.create(owner, name, files, speaker_id=new_id())


async def listen(store: Store, speaker: Speaker, model: str = MODEL, vector: tuple[float, ...] = VECTOR) -> None:
    for take in speaker.takes:
        claimed = await store.takes.claim(take.take_id, "run-1")
        if claimed is not None:
            assert await store.takes.ready(claimed, 5.0, vector, model)


async def test_a_speaker_is_known_once_a_take_was_listened_to(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk, takes=2)
    assert (made.status, len(made.takes)) == (SpeakerStatus.ENROLLING, 2)
    assert not await store.takes.anybody(OWNER)
    first, second = made.takes
    claimed = await store.takes.claim(first.take_id, "run-1")
    assert claimed is not None
    await store.takes.failed(claimed, InvalidAudio("There is too little speech in it."), 4.0)
    assert (await store.speakers.get(OWNER, made.speaker_id)).status is SpeakerStatus.ENROLLING
    await listen(store, made)
    known = await store.speakers.get(OWNER, made.speaker_id)
    assert known.status is SpeakerStatus.READY
    assert {take.take_id: (take.status, take.error_code) for take in known.takes} == {
        first.take_id: (TakeStatus.FAILED, "invalid_audio"),
        second.take_id: (TakeStatus.READY, None),
    }
    (voice,) = await store.takes.voices(OWNER, MODEL)
    assert (voice.speaker_id, voice.name) == (made.speaker_id, "Ada")
    assert all(math.isclose(*pair, rel_tol=1e-6) for pair in zip(voice.vectors[0], VECTOR, strict=True))
    assert await store.takes.claim(second.take_id, "run-2") is None


async def test_vectors_of_another_model_are_stale_and_listened_to_anew_on_request(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk)
    await listen(store, made)
    await store.takes.use(OTHER_MODEL)
    stale = await store.speakers.get(OWNER, made.speaker_id)
    assert (stale.status, stale.takes[0].status) == (SpeakerStatus.STALE, TakeStatus.STALE)
    assert await store.takes.voices(OWNER, OTHER_MODEL) == []
    assert not await store.takes.anybody(OWNER)
    assert await store.takes.anybody(OWNER, current=False)
    again = await store.speakers.add_takes(OWNER, made.speaker_id, [made.takes[0].file_id])
    assert (again.status, len(again.takes)) == (SpeakerStatus.ENROLLING, 1)
    await listen(store, again, OTHER_MODEL)
    assert [len(voice.vectors) for voice in await store.takes.voices(OWNER, OTHER_MODEL)] == [1]
    unchanged = await store.speakers.add_takes(OWNER, made.speaker_id, [made.takes[0].file_id])
    assert unchanged.status is SpeakerStatus.READY


async def test_deleted_is_gone_and_accounted_for(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk, "Planted Name", takes=2)
    await store.idempotency.begin(OWNER, "speakers", "key", "hash")
    await listen(store, made)
    async with store.database.writing() as connection:
        told = {"resource_id": made.speaker_id, "response_body": b'{"name": "Planted Name"}'}
        await connection.execute(update(idempotency).values(told))
    job = await desk.job()
    await store.steps.remember(OWNER, job.job_id, job.files[0].file_id, "diarize", "diarize-key")
    store.blobs.write(step_blob(OWNER, "diarize-key"), b"planted vector")
    assert PACKED in plainly(await everything_stored(store))
    await store.speakers.delete_take(OWNER, made.speaker_id, made.takes[0].take_id, key_id="key-1")
    with pytest.raises(LastTake):
        await store.speakers.delete_take(OWNER, made.speaker_id, made.takes[1].take_id)
    assert await store.speakers.delete(OWNER, made.speaker_id, key_id="key-1") == 1
    await store.collect()
    left = await everything_stored(store)
    assert "Planted Name" not in left
    assert "planted vector" not in left
    assert PACKED not in plainly(left)
    entries, _ = await store.audit.list(OWNER)
    assert [(entry.action, entry.resource_id, entry.key_id) for entry in entries] == [
        ("speaker_deleted", made.speaker_id, "key-1"),
        ("speaker_take_deleted", made.takes[0].take_id, "key-1"),
        ("speaker_enrolled", made.speaker_id, None),
    ]
    with pytest.raises(Missing):
        await store.speakers.get(OWNER, made.speaker_id)


async def test_what_is_deleted_while_it_is_listened_to_stays_deleted(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk)
    claimed = await store.takes.claim(made.takes[0].take_id, "run-1")
    assert claimed is not None
    await store.speakers.delete(OWNER, made.speaker_id)
    assert not await store.takes.ready(claimed, 5.0, VECTOR, MODEL)
    assert await store.takes.voices(OWNER, MODEL) == []


@pytest.mark.parametrize("step", ["claim", "ready", "failed"])
async def test_who_listens_and_who_deletes_do_not_wait_for_each_other(store: Store, desk: Desk, step: str) -> None:
    made = await enrol(store, desk)
    take_id = made.takes[0].take_id
    claimed = await store.takes.claim(take_id, "run-1")
    assert claimed is not None
    async with store.database.writing() as connection:
        await connection.execute(update(speaker_takes).values(tries=MOST_TRIES))
    steps: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "claim": partial(store.takes.claim, take_id, "run-2"),
        "ready": partial(store.takes.ready, claimed, 5.0, VECTOR, MODEL),
        "failed": partial(store.takes.failed, claimed, InvalidAudio("There is too little speech in it.")),
    }
    async with store.database.writing() as connection:
        held = select(speakers).where(speakers.c.speaker_id == made.speaker_id).with_for_update()
        await connection.execute(held)
        other = asyncio.create_task(steps[step]())
        await asyncio.sleep(0.3)  # it has got as far as it can
        await connection.execute(delete(speaker_takes).where(speaker_takes.c.take_id == take_id))
        await connection.execute(delete(speakers).where(speakers.c.speaker_id == made.speaker_id))
    assert not await other


async def test_names_limits_and_files_are_checked(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk, "Ada  Lovelace")
    with pytest.raises(SpeakerExists):
        await enrol(store, desk, "ADA LOVELACE")
    bob = await enrol(store, desk, "Bob")
    with pytest.raises(SpeakerExists):
        await store.speakers.rename(OWNER, bob.speaker_id, "ada lovelace")
    assert (await store.speakers.rename(OWNER, made.speaker_id, "ADA Lovelace")).name == "ADA Lovelace"
    with pytest.raises(Missing, match="file"):
        await store.speakers.add_takes(OWNER, bob.speaker_id, ["nothing"])
    with pytest.raises(TooManySpeakers):
        await store.speakers.create(OWNER, "Eve", [await desk.file()], speaker_id=new_id(), most=2)
    many = [await desk.file() for _ in range(MOST_TAKES)]
    with pytest.raises(TooManySpeakers):
        await store.speakers.add_takes(OWNER, bob.speaker_id, many)
    assert len((await store.speakers.get(OWNER, bob.speaker_id)).takes) == 1


async def test_another_owners_speakers_do_not_exist(store: Store, desk: Desk) -> None:
    await desk.add_owner("alice")
    hers = await enrol(store, desk, owner="alice")
    await listen(store, hers)
    assert await store.takes.voices(OWNER, MODEL) == []
    assert not await store.takes.anybody(OWNER)
    assert (await store.speakers.list(OWNER))[0] == []
    for refused in (
        store.speakers.get(OWNER, hers.speaker_id),
        store.speakers.rename(OWNER, hers.speaker_id, "Mine"),
        store.speakers.add_takes(OWNER, hers.speaker_id, [await desk.file()]),
        store.speakers.delete_take(OWNER, hers.speaker_id, hers.takes[0].take_id),
        store.speakers.delete(OWNER, hers.speaker_id),
        store.speakers.create(OWNER, "Bob", [hers.takes[0].file_id], speaker_id=new_id()),
    ):
        with pytest.raises(Missing):
            await refused
    await enrol(store, desk)  # the same name, of another owner


async def test_a_file_stays_as_long_as_a_take_waits_for_it_and_the_take_outlives_it(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk)
    file_id = made.takes[0].file_id
    with pytest.raises(FileInUse):
        await store.files.delete(OWNER, file_id)
    assert await store.clearance.drop_unused_files(now() + timedelta(days=1)) == 0
    await listen(store, made)
    assert await store.clearance.drop_unused_files(now() + timedelta(days=1)) == 1
    assert (await store.speakers.get(OWNER, made.speaker_id)).status is SpeakerStatus.READY


async def test_a_lost_run_is_made_again_and_what_kills_its_process_fails(store: Store, desk: Desk) -> None:
    made = await enrol(store, desk)
    (due,) = await store.takes.due()
    await store.takes.dispatched(due, "run-0")
    assert (await store.takes.due(), await store.takes.open_runs(9)) == ([], ["run-0"])
    async with store.database.writing() as connection:
        await connection.execute(update(speaker_takes).values(dispatched_until=now() - timedelta(seconds=1)))
    (again,) = await store.takes.due()
    assert (again.take_id, again.run_key) == (due.take_id, f"{due.take_id}:1")
    for number in range(MOST_TRIES):
        assert await store.takes.claim(due.take_id, f"run-{number}") is not None
    assert await store.takes.claim(due.take_id, "run-9") is None
    (take,) = (await store.speakers.get(OWNER, made.speaker_id)).takes
    assert (take.status, take.error_code) == (TakeStatus.FAILED, "worker_lost")
    assert await store.takes.due() == []


async def test_pages(store: Store, desk: Desk) -> None:
    names = [(await enrol(store, desk, f"Speaker {number}")).name for number in range(3)]
    page, cursor = await store.speakers.list(OWNER, limit=2)
    rest, last = await store.speakers.list(OWNER, limit=2, cursor=cursor)
    assert [one.name for one in page + rest] == names[::-1]
    assert last is None
    assert all(len(one.takes) == 1 for one in page + rest)
