"""Which workers are there, by their own heartbeats."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, delete, select

from speech.clock import now
from storage.database import Database
from storage.tables import workers
from storage.upserts import insert_or_update

_FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """A sign of life. ``slots`` jobs fit, ``busy`` of them are taken; ``details`` is JSON for people."""

    worker_id: str
    name: str
    host: str
    pool: str
    device: str
    slots: int
    busy: int
    started_at: datetime
    details: dict[str, Any] = field(default_factory=dict)
    beat_at: datetime | None = None

    @property
    def is_well(self) -> bool:
        """Whether it takes as many jobs as fit: nothing is wrong with its disks, storage or device."""
        return not self.details.get("trouble")


class Workers:
    """The workers of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, beat: WorkerBeat) -> None:
        """Record a sign of life, at ``beat_at`` or now."""
        moment = beat.beat_at or now()
        values = asdict(beat) | {"beat_at": moment}
        async with self._database.writing(durable=False) as connection:
            await connection.execute(insert_or_update(connection, workers, values, ["worker_id"]))
            await connection.execute(delete(workers).where(workers.c.beat_at < moment - _FORGET_AFTER))

    async def online(self, within_seconds: float = 15) -> list[WorkerBeat]:
        """The last beats of the workers that gave one lately, by name."""
        query = (
            select(workers)
            .where(workers.c.beat_at >= now() - timedelta(seconds=within_seconds))
            .order_by(workers.c.name, workers.c.worker_id)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [_beat(row) for row in rows]

    async def known(self) -> list[WorkerBeat]:
        """The last beats of all workers that are not forgotten yet, whatever their clocks say."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(workers))).mappings().all()
        return [_beat(row) for row in rows]

    async def gone(self, worker_id: str) -> None:
        """The worker stopped in good order."""
        async with self._database.writing(durable=False) as connection:
            await connection.execute(delete(workers).where(workers.c.worker_id == worker_id))


def _beat(row: RowMapping) -> WorkerBeat:
    return WorkerBeat(**{name: row[name] for name in WorkerBeat.__dataclass_fields__})
