"""Takes on their way: due, given to runs, listened to; and the vectors that came of them, for whoever compares."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.errors import SpeechError
from speech.speakers import TakeStatus
from storage.database import Database
from storage.speaker_tables import speaker_takes, speakers, voice_models
from storage.speakers import is_current
from storage.upserts import insert_or_update
from storage.waits import Wait, waited

DISPATCHED_FOR = timedelta(minutes=2)
"""A run that has not settled its take by then is believed lost, and another one is made."""
DISPATCHED_FOR_AT_MOST = timedelta(hours=1)
"""Further runs come ever more slowly, up to this: where no worker is, they would only pile up in Prefect."""
LISTENED_TO_FOR = timedelta(minutes=30)
"""Who took it up may have to fetch the model, and wait for its turn; the run of a worker that is lost runs again."""
MOST_TRIES = 4
"""Runs that took the take up and settled nothing, since their process died each time."""
LOST = "Whoever listened to it was lost each time; try another recording."
_FLOAT = "<{}f"


@dataclass(frozen=True, slots=True)
class DueTake:
    """A take that waits for a run; ``run_key`` names that run, however many make it."""

    take_id: str
    dispatches: int
    created_at: datetime
    dispatched_until: datetime | None

    @property
    def run_key(self) -> str:
        """The idempotency key of the run that listens to it."""
        return f"{self.take_id}:{self.dispatches}"

    def patience(self, moment: datetime) -> timedelta:
        """How long a run that is made then is waited for: as long again as the take has waited, so it doubles."""
        if self.dispatched_until is None:
            return DISPATCHED_FOR
        return min(max(DISPATCHED_FOR, moment - self.created_at), DISPATCHED_FOR_AT_MOST)


@dataclass(frozen=True, slots=True)
class ClaimedTake:
    """A take that somebody listens to; ``waited`` are the seconds that it had to wait before, by what for."""

    take_id: str
    speaker_id: str
    owner_id: str
    file_id: str
    waited: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnrolledVoice:
    """Somebody's name, and the unit vectors of the takes, all of one model. Biometric data: kept nowhere else."""

    speaker_id: str
    name: str
    vectors: tuple[tuple[float, ...], ...]


class Takes:
    """The takes of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, limit: int = 100) -> list[DueTake]:
        """Those that no run is at, the oldest first."""
        free = or_(speaker_takes.c.dispatched_until.is_(None), speaker_takes.c.dispatched_until <= now())
        names = DueTake.__dataclass_fields__
        query = (
            select(*(speaker_takes.c[name] for name in names))
            .where(_waits(), free)
            .order_by(speaker_takes.c.created_at, speaker_takes.c.take_id)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [DueTake(**row) for row in (await connection.execute(query)).mappings()]

    async def dispatched(self, due: DueTake, run_id: str) -> None:
        """That run was made for it; the next one gets another key."""
        moment = now()
        same = _waits() & (speaker_takes.c.take_id == due.take_id) & (speaker_takes.c.dispatches == due.dispatches)
        values: dict[str, Any] = {"dispatches": due.dispatches + 1, "dispatched_until": moment + due.patience(moment)}
        values["flow_run_id"] = run_id
        async with self._database.writing(durable=False) as connection:
            await connection.execute(update(speaker_takes).where(same).values(values))

    async def open_runs(self, limit: int) -> list[str]:
        """The newest runs of takes that wait, of the oldest takes first; some are at work, and some wait for a time."""
        made = _waits() & speaker_takes.c.flow_run_id.is_not(None)
        query = select(speaker_takes.c.flow_run_id).where(made).order_by(speaker_takes.c.created_at).limit(limit)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def claim(self, take_id: str, run_id: str) -> ClaimedTake | None:
        """Take it up, for the run of that id; None when it is settled or gone, or was taken up too often in vain."""
        chosen = _waits() & (speaker_takes.c.take_id == take_id)
        async with self._database.writing() as connection:
            # The speaker before the take, as whoever deletes either has them: else the two wait for each other.
            await _hold_speaker(connection, chosen)
            row = (await connection.execute(select(speaker_takes).where(chosen).with_for_update())).mappings().first()
            if row is None:
                return None
            claimed = ClaimedTake(row["take_id"], row["speaker_id"], row["owner_id"], row["file_id"], waited(row))
            if row["tries"] >= MOST_TRIES:
                await _settle(connection, claimed, _failed("worker_lost", LOST))
                return None
            taken = {"tries": row["tries"] + 1, "flow_run_id": run_id, "dispatched_until": now() + LISTENED_TO_FOR}
            await connection.execute(update(speaker_takes).where(chosen).values(taken))
        return claimed

    async def ready(self, claimed: ClaimedTake, duration: float, vector: Sequence[float], model: str) -> bool:
        """It was listened to: ``vector`` of ``model``, after ``duration`` seconds; False when it was deleted."""
        packed = struct.pack(_FLOAT.format(len(vector)), *vector)
        values = {"status": str(TakeStatus.READY), "duration": duration, "vector": packed, "model_digest": model}
        async with self._database.writing() as connection:
            await _use(connection, model)
            return await _settle(connection, claimed, values)

    async def failed(self, claimed: ClaimedTake, error: SpeechError, duration: float | None = None) -> None:
        """It cannot serve; the sentence says why."""
        async with self._database.writing() as connection:
            await _settle(connection, claimed, _failed(error.code, error.message) | {"duration": duration})

    async def put_off(self, claimed: ClaimedTake, wait: Wait | None = None) -> None:
        """Nobody can listen to it now, through no fault of its own: the run takes it up again, after the wait if any.

        The try does not count.
        """
        mine = _waits() & (speaker_takes.c.take_id == claimed.take_id) & (speaker_takes.c.tries > 0)
        values: dict[str, Any] = {"tries": speaker_takes.c.tries - 1}
        if wait is not None:
            before = claimed.waited
            values["waits"] = before | {wait.kind: before.get(wait.kind, 0.0) + wait.seconds}
            # Should the run be lost, another one is made then.
            values["dispatched_until"] = now() + timedelta(seconds=wait.seconds) + DISPATCHED_FOR
        async with self._database.writing() as connection:
            await connection.execute(update(speaker_takes).where(mine).values(values))

    async def use(self, model: str) -> None:
        """Whoever compares now does so with this model: vectors of others are stale."""
        async with self._database.reading() as connection:
            if await _used_last(connection) == model:
                return
        async with self._database.writing(durable=False) as connection:
            await _use(connection, model)

    async def voices(self, owner_id: str, model: str) -> list[EnrolledVoice]:
        """The owner's speakers who are known by vectors of that model, by name."""
        mine = (speaker_takes.c.owner_id == owner_id) & _is_ready() & (speaker_takes.c.model_digest == model)
        query = (
            select(speakers.c.speaker_id, speakers.c.name, speaker_takes.c.vector)
            .join(speakers, speakers.c.speaker_id == speaker_takes.c.speaker_id)
            .where(mine)
            .order_by(speakers.c.name, speakers.c.speaker_id, speaker_takes.c.take_id)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        vectors: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
        for row in rows:
            vectors[row.speaker_id, row.name].append(_unpacked(row.vector))
        return [EnrolledVoice(speaker_id, name, tuple(heard)) for (speaker_id, name), heard in vectors.items()]

    async def anybody(self, owner_id: str, *, current: bool = True) -> bool:
        """Whether the owner has a speaker who is known; with ``current`` by the model that was used last."""
        known = (speaker_takes.c.owner_id == owner_id) & _is_ready()
        query = select(speaker_takes.c.take_id).where(known & is_current() if current else known)
        async with self._database.reading() as connection:
            return (await connection.execute(query.limit(1))).first() is not None


def waiting_for(file_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a take of that file is still to be listened to."""
    return select(speaker_takes.c.take_id).where(speaker_takes.c.file_id == file_id, _waits()).exists()


def _waits() -> ColumnElement[bool]:
    return speaker_takes.c.status == str(TakeStatus.ENROLLING)


def _is_ready() -> ColumnElement[bool]:
    return speaker_takes.c.status == str(TakeStatus.READY)


def _failed(code: str, sentence: str) -> dict[str, Any]:
    return {"status": str(TakeStatus.FAILED), "error": sentence, "error_code": code}


async def _hold_speaker(connection: AsyncConnection, take: ColumnElement[bool]) -> None:
    whose = select(speaker_takes.c.speaker_id).where(take).scalar_subquery()
    await connection.execute(select(speakers.c.speaker_id).where(speakers.c.speaker_id == whose).with_for_update())


async def _settle(connection: AsyncConnection, claimed: ClaimedTake, values: dict[str, Any]) -> bool:
    mine = _waits() & (speaker_takes.c.take_id == claimed.take_id)
    moment = now()
    # In this order, as in `claim`.
    changed = update(speakers).where(speakers.c.speaker_id == claimed.speaker_id).values(updated_at=moment)
    await connection.execute(changed)
    done = await connection.execute(update(speaker_takes).where(mine).values(values | {"settled_at": moment}))
    return done.rowcount == 1


async def _used_last(connection: AsyncConnection) -> str | None:
    newest = select(voice_models.c.model_digest).order_by(voice_models.c.used_at.desc()).limit(1)
    return (await connection.execute(newest)).scalars().first()


async def _use(connection: AsyncConnection, model: str) -> None:
    if await _used_last(connection) == model:
        return
    values = {"model_digest": model, "used_at": now()}
    await connection.execute(insert_or_update(connection, voice_models, values, ["model_digest"]))


def _unpacked(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(_FLOAT.format(len(packed) // 4), packed)
