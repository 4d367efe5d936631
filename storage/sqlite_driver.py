"""aiosqlite with as few hops to its thread as there can be.

aiosqlite makes a hop to open a cursor, one to execute, one to fetch and one to close, and on a machine whose cores
recognise speech each hop waits for its turn. Here a statement is executed and fetched in one, and what only prepares
a transaction (BEGIN, the choice of ``synchronous``) travels with the first statement of it. Once a transaction holds
the write lock, its statements make no hop at all; its beginning, which may wait for others, and its commit, which
waits for the disk, do.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite

_HASTE_SECONDS = 0.002
_PAUSE_SECONDS = (0.0005, 0.003)
"""Between two tries to write; at random, so that two who wait do not always meet."""
_TRAVELS_ALONG = ("BEGIN", "PRAGMA synchronous=")


class OneHopConnection(aiosqlite.Connection):
    """A connection for SQLAlchemy's aiosqlite dialect; transactions are begun by explicit statements.

    The end of a transaction that only read (``reads``) is not waited for: nothing can go wrong with it that its reader
    would want to know, and whatever comes next queues behind it in the thread.
    """

    def __init__(self, path: Path, busy_seconds: float, *, reads: bool = False) -> None:
        patience = busy_seconds if reads else _HASTE_SECONDS

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)

        super().__init__(connect, iter_chunk_size=64)
        self._thread.daemon = True  # a process that forgets to close can still end
        self._waiting: list[str] = []
        self._reads = reads
        self._busy_seconds = busy_seconds

    def cursor(self) -> OneHopCursor:  # type: ignore[override]  # the same protocol, with fewer hops
        """A cursor, without asking the thread for one."""
        return OneHopCursor(self)

    async def commit(self) -> None:
        """Commit, unless nothing was ever sent."""
        if not self._drop_waiting():
            await super().commit()

    async def rollback(self) -> None:
        """Roll back, unless nothing was ever sent."""
        if self._drop_waiting():
            return
        if self._reads:
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            await super().rollback()

    def hold_back(self, statement: str) -> bool:
        """Keep a statement that can travel with the next one; whether it was such a one."""
        if not statement.startswith(_TRAVELS_ALONG):
            return False
        self._waiting.append(statement)
        return True

    async def run(self, statement: str, parameters: Any, *, many: bool = False) -> Answer:
        """Execute and fetch: in the thread, but for what may neither wait nor take long.

        Whoever holds the write lock waits for nobody, and a statement of his takes less than a hop to the thread and
        back, of which a transaction of ten statements would make ten.
        """
        before, self._waiting = self._waiting, []
        given = (before, statement, parameters, many, self._busy_seconds)
        if not self._reads and not many and self._conn.in_transaction:
            done = _run(self._conn, *given)
            await asyncio.sleep(0)  # a transaction of a thousand statements lets others have their turn between them
            return done
        answer: Answer = await self._execute(_run, self._conn, *given)  # type: ignore[no-untyped-call]
        return answer

    def _drop_waiting(self) -> bool:
        waiting, self._waiting = self._waiting, []
        return any(statement.startswith("BEGIN") for statement in waiting)


class Answer:
    """What a statement gave."""

    __slots__ = ("description", "lastrowid", "rowcount", "rows")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self.rows: list[Any] = cursor.fetchall() if cursor.description else []
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid


class OneHopCursor:
    """What SQLAlchemy needs of an asynchronous cursor."""

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> OneHopCursor:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> OneHopCursor:
        """Execute a statement and fetch what it gives."""
        if not self._connection.hold_back(statement):
            self._take(await self._connection.run(statement, parameters))
        return self

    async def executemany(self, statement: str, parameters: Sequence[Any]) -> OneHopCursor:
        """Execute a statement once for each set of parameters."""
        self._take(await self._connection.run(statement, parameters, many=True))
        return self

    async def fetchall(self) -> list[Any]:
        """The rows that are left, already fetched."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open."""

    def _take(self, answer: Answer) -> None:
        self.description, self.rowcount, self.lastrowid = answer.description, answer.rowcount, answer.lastrowid
        self._rows = answer.rows


def _run(
    connection: sqlite3.Connection,
    before: list[str],
    statement: str,
    parameters: Any,
    many: bool,
    busy_seconds: float,
) -> Answer:
    for prepared in before:
        _prepare(connection, prepared, busy_seconds)
    cursor = connection.executemany(statement, parameters) if many else connection.execute(statement, parameters)
    try:
        return Answer(cursor)
    finally:
        cursor.close()


def _prepare(connection: sqlite3.Connection, statement: str, busy_seconds: float) -> None:
    """Execute what opens a transaction; wait for the writers of other processes for so many seconds.

    SQLite's own waiting sleeps for up to a tenth of a second at a time, and a write takes a few milliseconds.
    """
    until = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311  (no secret)
        else:
            return
