"""Speakers who are known by their voices: made, listed, renamed, deleted. Everything here is biometric data or leads
to it: what is deleted is gone at once, with the vectors and with the answers that are remembered for idempotency keys;
of those stays that something was made with the key, so that a request that is sent again enrols nobody again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Label, RowMapping, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.speakers import MOST_TAKES, SpeakerStatus, TakeStatus, name_key, status_of
from storage.audit import note
from storage.database import Database
from storage.errors import LastTake, Missing, SpeakerExists, TooManySpeakers
from storage.garbage import discard
from storage.idempotency import forget_answer
from storage.ids import new_id
from storage.owners import hold_owner
from storage.paging import read_page
from storage.speaker_tables import speaker_takes, speakers, voice_models
from storage.steps import OF_VOICES, step_blob
from storage.tables import files, steps

ENROLLED, DELETED, TAKE_DELETED = "speaker_enrolled", "speaker_deleted", "speaker_take_deleted"
"""What is written down of them."""


@dataclass(frozen=True, slots=True)
class Take:
    """A recording of the voice; ``duration`` in seconds. The vector is not shown to anybody."""

    take_id: str
    file_id: str
    status: TakeStatus
    duration: float | None
    error: str | None
    error_code: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody with a name, and the takes by which they are known, the oldest first."""

    speaker_id: str
    owner_id: str
    name: str
    takes: tuple[Take, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def status(self) -> SpeakerStatus:
        """Whether they are known by now."""
        return status_of(frozenset(take.status for take in self.takes))


class Speakers:
    """The speakers of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        owner_id: str,
        name: str,
        file_ids: Sequence[str],
        *,
        speaker_id: str,
        most: int | None = None,
        key_id: str | None = None,
    ) -> Speaker:
        """Store a speaker whose takes are to be listened to; one that the id already names is returned as it is.

        Raises:
            Missing: owner_not_found; file_not_found for a file that is not the owner's.
            SpeakerExists: the owner has a speaker of that name.
            TooManySpeakers: the owner has ``most`` already, or these are too many takes.

        """
        async with self._database.writing() as connection:
            if await _find(connection, owner_id, speaker_id) is None:
                await hold_owner(connection, owner_id)
                await _refuse_twin(connection, owner_id, name, speaker_id)
                await _refuse_more_than(connection, owner_id, most)
                await connection.execute(insert(speakers).values(_row(owner_id, speaker_id, name)))
                await _add(connection, owner_id, speaker_id, file_ids)
                await note(connection, owner_id, ENROLLED, speaker_id, key_id)
            return await _read(connection, owner_id, speaker_id)

    async def get(self, owner_id: str, speaker_id: str) -> Speaker:
        """The speaker; Missing(speaker_not_found)."""
        async with self._database.reading() as connection:
            return await _read(connection, owner_id, speaker_id)

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Speaker], str | None]:
        """The owner's speakers, newest first, and the cursor of the next page, None after the last one."""
        query = select(speakers).where(speakers.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, speakers.c.created_at, speakers.c.speaker_id, limit=limit, cursor=cursor
            )
            return await _with_takes(connection, rows), following

    async def rename(self, owner_id: str, speaker_id: str, name: str) -> Speaker:
        """Call the speaker otherwise; SpeakerExists, Missing. Words that were written keep the name that they have."""
        values = {"name": name, "name_key": name_key(name), "updated_at": now()}
        async with self._database.writing() as connection:
            await hold_owner(connection, owner_id)
            await _found(connection, owner_id, speaker_id, lock=True)
            await _refuse_twin(connection, owner_id, name, speaker_id)
            await connection.execute(update(speakers).where(_named(owner_id, speaker_id)).values(values))
            # An answer that is remembered would go on saying the old name.
            await forget_answer(connection, owner_id, speaker_id, gone=False)
            return await _read(connection, owner_id, speaker_id)

    async def add_takes(self, owner_id: str, speaker_id: str, file_ids: Sequence[str]) -> Speaker:
        """Have further recordings listened to; one that was and did not serve, or no longer does, is listened to anew.

        Raises:
            Missing: the owner has no such speaker, or no such file.
            TooManySpeakers: these would be too many takes.

        """
        async with self._database.writing() as connection:
            await _found(connection, owner_id, speaker_id, lock=True)
            await _add(connection, owner_id, speaker_id, file_ids)
            await connection.execute(update(speakers).where(_named(owner_id, speaker_id)).values(updated_at=now()))
            return await _read(connection, owner_id, speaker_id)

    async def delete(self, owner_id: str, speaker_id: str, *, key_id: str | None = None) -> int:
        """Delete the speaker with all takes, and say how many those were; Missing. The deed is written down.

        What is kept of the owner's diarized recordings goes too (see Store.collect): the voice may be among them.
        """
        async with self._database.writing() as connection:
            await _found(connection, owner_id, speaker_id, lock=True)
            await forget_answer(connection, owner_id, speaker_id, gone=True)
            await _forget_heard(connection, owner_id)
            gone = await connection.execute(delete(speaker_takes).where(speaker_takes.c.speaker_id == speaker_id))
            await connection.execute(delete(speakers).where(_named(owner_id, speaker_id)))
            await note(connection, owner_id, DELETED, speaker_id, key_id)
        return gone.rowcount

    async def delete_take(self, owner_id: str, speaker_id: str, take_id: str, *, key_id: str | None = None) -> None:
        """Delete one take. The deed is written down.

        Raises:
            Missing: speaker_not_found, take_not_found.
            LastTake: there is no other.

        """
        of_speaker = speaker_takes.c.speaker_id == speaker_id
        async with self._database.writing() as connection:
            await _found(connection, owner_id, speaker_id, lock=True)
            known = (await connection.execute(select(speaker_takes.c.take_id).where(of_speaker))).scalars().all()
            if take_id not in known:
                raise Missing(f"There is no take {take_id} of this speaker.", "take_not_found")
            if len(known) == 1:
                raise LastTake("It is the only take: add another one first, or delete the speaker.")
            await connection.execute(delete(speaker_takes).where(of_speaker, speaker_takes.c.take_id == take_id))
            await connection.execute(update(speakers).where(_named(owner_id, speaker_id)).values(updated_at=now()))
            await note(connection, owner_id, TAKE_DELETED, take_id, key_id)


def _row(owner_id: str, speaker_id: str, name: str) -> dict[str, Any]:
    moment = now()
    key = {"speaker_id": speaker_id, "owner_id": owner_id}
    return key | {"name": name, "name_key": name_key(name), "created_at": moment, "updated_at": moment}


def _named(owner_id: str, speaker_id: str) -> ColumnElement[bool]:
    return (speakers.c.speaker_id == speaker_id) & (speakers.c.owner_id == owner_id)


async def _find(
    connection: AsyncConnection, owner_id: str, speaker_id: str, *, lock: bool = False
) -> RowMapping | None:
    query = select(speakers).where(_named(owner_id, speaker_id))
    return (await connection.execute(query.with_for_update() if lock else query)).mappings().first()


async def _found(connection: AsyncConnection, owner_id: str, speaker_id: str, *, lock: bool = False) -> RowMapping:
    row = await _find(connection, owner_id, speaker_id, lock=lock)
    if row is None:
        raise Missing(f"There is no speaker {speaker_id}.", "speaker_not_found")
    return row


async def _read(connection: AsyncConnection, owner_id: str, speaker_id: str) -> Speaker:
    return (await _with_takes(connection, [await _found(connection, owner_id, speaker_id)]))[0]


async def _with_takes(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Speaker]:
    ids = [row["speaker_id"] for row in rows]
    shown = [speaker_takes.c[name] for name in Take.__dataclass_fields__ if name != "status"]
    query = select(*shown, speaker_takes.c.speaker_id, shown_status()).where(speaker_takes.c.speaker_id.in_(ids))
    ordered = query.order_by(speaker_takes.c.created_at, speaker_takes.c.take_id)
    takes: dict[str, list[Take]] = defaultdict(list)
    for row in (await connection.execute(ordered)).mappings() if ids else ():
        values = {name: row[name] for name in Take.__dataclass_fields__}
        takes[row["speaker_id"]].append(Take(**values | {"status": TakeStatus(row["status"])}))
    return [
        Speaker(
            **{name: row[name] for name in Speaker.__dataclass_fields__ if name != "takes"},
            takes=tuple(takes[row["speaker_id"]]),
        )
        for row in rows
    ]


def is_current() -> ColumnElement[bool]:
    """Whether a take's vector is of the model that was used last: those of others are compared with nothing."""
    newest = select(voice_models.c.model_digest).order_by(voice_models.c.used_at.desc()).limit(1).scalar_subquery()
    return speaker_takes.c.model_digest == newest


def shown_status() -> Label[str]:
    """A take's status as its owner sees it."""
    outdated = (speaker_takes.c.status == str(TakeStatus.READY)) & ~is_current()
    return case((outdated, str(TakeStatus.STALE)), else_=speaker_takes.c.status).label("status")


async def _add(connection: AsyncConnection, owner_id: str, speaker_id: str, file_ids: Sequence[str]) -> None:
    await _hold_files(connection, owner_id, file_ids)
    query = select(speaker_takes.c.file_id, speaker_takes.c.take_id, shown_status()).where(
        speaker_takes.c.speaker_id == speaker_id
    )
    known = {row.file_id: row for row in await connection.execute(query)}
    fresh = [file_id for file_id in dict.fromkeys(file_ids) if file_id not in known]
    if len(known) + len(fresh) > MOST_TAKES:
        raise TooManySpeakers(f"A speaker has {MOST_TAKES} takes at most; delete one first.")
    for file_id in fresh:
        await connection.execute(insert(speaker_takes).values(_take_row(owner_id, speaker_id, file_id)))
    again = [
        known[file_id].take_id
        for file_id in file_ids
        if file_id in known and known[file_id].status in (TakeStatus.FAILED, TakeStatus.STALE)
    ]
    await connection.execute(update(speaker_takes).where(speaker_takes.c.take_id.in_(again)).values(_anew()))


def _take_row(owner_id: str, speaker_id: str, file_id: str) -> dict[str, Any]:
    return {
        "take_id": new_id(),
        "speaker_id": speaker_id,
        "owner_id": owner_id,
        "file_id": file_id,
        "status": str(TakeStatus.ENROLLING),
        "created_at": now(),
    }


def _anew() -> dict[str, Any]:
    # A further dispatch, so that the run gets a key that no earlier one had.
    cleared = dict.fromkeys(
        ("vector", "model_digest", "error", "error_code", "settled_at", "dispatched_until", "flow_run_id", "waits")
    )
    return cleared | {
        "status": str(TakeStatus.ENROLLING),
        "tries": 0,
        "dispatches": speaker_takes.c.dispatches + 1,
        "created_at": now(),
    }


async def _hold_files(connection: AsyncConnection, owner_id: str, file_ids: Sequence[str]) -> None:
    """See that they are the owner's, and hold them so that nobody deletes them meanwhile."""
    wanted = select(files.c.file_id).where(files.c.owner_id == owner_id, files.c.file_id.in_(list(file_ids)))
    held = wanted.where(files.c.blob_key.is_not(None)).order_by(files.c.file_id).with_for_update(read=True)
    found = set((await connection.execute(held)).scalars())
    for file_id in file_ids:
        if file_id not in found:
            raise Missing(f"There is no file {file_id}; upload it first.", "file_not_found")


async def _refuse_twin(connection: AsyncConnection, owner_id: str, name: str, speaker_id: str) -> None:
    twin = select(speakers.c.speaker_id).where(
        speakers.c.owner_id == owner_id, speakers.c.name_key == name_key(name), speakers.c.speaker_id != speaker_id
    )
    if (await connection.execute(twin)).first() is not None:
        raise SpeakerExists("There is a speaker of that name: add takes to that one, or choose another name.")


async def _refuse_more_than(connection: AsyncConnection, owner_id: str, most: int | None) -> None:
    counting = select(func.count()).where(speakers.c.owner_id == owner_id)
    if most is not None and (await connection.execute(counting)).scalar_one() >= most:
        raise TooManySpeakers(f"There are as many speakers as are allowed, {most}; delete one first.")


async def _forget_heard(connection: AsyncConnection, owner_id: str) -> None:
    """Whose vectors they are nobody knows, so all go; a job that needs one makes it anew."""
    kept = (steps.c.owner_id == owner_id) & steps.c.step.in_(OF_VOICES)
    keys = (await connection.execute(select(steps.c.step_key).where(kept).distinct())).scalars().all()
    await discard(connection, [step_blob(owner_id, key) for key in keys])
    await connection.execute(delete(steps).where(kept))
