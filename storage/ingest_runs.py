"""Runs of sources, each with what it counted: the report that stays."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from speech.clock import now
from speech.ingestion import RunStatus
from storage.database import Database
from storage.ids import new_id
from storage.ingest_tables import ingest_runs
from storage.ingests import Ingest, hold
from storage.paging import read_page


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run met and did, in numbers of versions of objects."""

    listed: int = 0
    matched: int = 0
    known: int = 0
    submitted: int = 0
    refused: int = 0
    missing: int = 0
    done: int = 0
    moved: int = 0
    tagged: int = 0
    superseded: int = 0
    tried_again: int = 0
    quarantined: int = 0
    postponed: int = 0
    queue_full: int = 0
    unreadable: int = 0

    @property
    def fruitless(self) -> bool:
        """Whether nothing could be seen to, since the stores were away or refused."""
        return self.postponed > 0 and not self.done + self.quarantined + self.superseded

    def plus(self, **more: int) -> Counts:
        """With these added."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})


@dataclass(frozen=True, slots=True)
class IngestRun:
    """One run of one source."""

    run_id: str
    ingest_id: str
    owner_id: str
    flow_run_id: str | None
    status: RunStatus
    counts: Counts
    error: str | None
    error_code: str | None
    created_at: datetime
    ended_at: datetime | None


class IngestRuns:
    """The runs of a database's sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, ingest: Ingest, flow_run_id: str | None) -> str:
        """Note that a run begins; its id. A flow run that starts again goes on under the same one. Missing.

        Others that are said to be at work have died, or will say yet how they went.
        """
        all_of_it = ingest_runs.c.ingest_id == ingest.ingest_id
        mine = all_of_it & (ingest_runs.c.flow_run_id == flow_run_id)
        lost = {"status": str(RunStatus.FAILED), "error": "The run came to no end.", "error_code": "run_lost"}
        async with self._database.writing() as connection:
            await hold(connection, ingest.ingest_id)
            known: str | None = (await connection.execute(select(ingest_runs.c.run_id).where(mine))).scalar()
            if known is not None:
                return known
            running = all_of_it & (ingest_runs.c.status == str(RunStatus.RUNNING))
            await connection.execute(update(ingest_runs).where(running).values(**lost, ended_at=now()))
            row: dict[str, Any] = {
                "run_id": new_id(),
                "ingest_id": ingest.ingest_id,
                "owner_id": ingest.owner_id,
                "flow_run_id": flow_run_id,
                "status": str(RunStatus.RUNNING),
                "counts": {},
                "created_at": now(),
            }
            await connection.execute(insert(ingest_runs).values(row))
            return str(row["run_id"])

    async def count(self, run_id: str, counts: Counts) -> None:
        """Keep what was counted so far."""
        await self._change(run_id, {"counts": asdict(counts)}, durable=False)

    async def end(
        self, run_id: str, status: RunStatus, counts: Counts, error: str | None = None, code: str | None = None
    ) -> None:
        """Say how the run went."""
        ended = {"status": str(status), "counts": asdict(counts), "ended_at": now()}
        await self._change(run_id, ended | {"error": error, "error_code": code}, durable=True)

    async def _change(self, run_id: str, values: dict[str, Any], *, durable: bool) -> None:
        async with self._database.writing(durable=durable) as connection:
            await connection.execute(update(ingest_runs).where(ingest_runs.c.run_id == run_id).values(values))

    async def fruitless(self, ingest_id: str, most: int) -> int:
        """How many of the last runs, one after another, failed or could see to nothing; ``most`` are looked at."""
        runs, _ = await self.list(ingest_id, limit=most)
        vain = (run.status is RunStatus.FAILED or run.counts.fruitless for run in runs)
        return sum(1 for _ in itertools.takewhile(bool, vain))

    async def list(
        self, ingest_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[IngestRun], str | None]:
        """The runs of a source, newest first, and the cursor of the next page, None after the last one."""
        query = select(ingest_runs).where(ingest_runs.c.ingest_id == ingest_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, ingest_runs.c.created_at, ingest_runs.c.run_id, limit=limit, cursor=cursor
            )
        return [_run(row) for row in rows], following


def _run(row: RowMapping) -> IngestRun:
    values: dict[str, Any] = {name: row[name] for name in IngestRun.__dataclass_fields__}
    known = {name: value for name, value in row["counts"].items() if name in Counts.__dataclass_fields__}
    return IngestRun(**{**values, "status": RunStatus(row["status"]), "counts": Counts(**known)})
