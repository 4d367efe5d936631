"""Waking up when something was committed, by this process or another."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from storage.database import Database
from storage.lines import keep_alive
from storage.outbox import CHANNEL

_POLL_SECONDS = 0.02
_log = logging.getLogger(__name__)


class CommitSignal:
    """Wakes its one waiter after a commit.

    On SQLite after any commit, by a look at a counter of the file every 20 ms, which costs some microseconds. On
    PostgreSQL after commits that notify ``channel``: those that leave news in the outbox, or in a job's log. Signals
    are hints: look at the tables after each time-out too.
    """

    def __init__(self, database: Database, channel: str = CHANNEL) -> None:
        path = database.path
        self._source: _FileCounter | _Notifications
        self._source = _Notifications(database.url, channel) if path is None else _FileCounter(path)

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109  (the time-out is an answer, not an error)
        """Whether something was committed since the last call, waiting up to ``timeout`` seconds for it."""
        try:
            async with asyncio.timeout(timeout):
                await self._source.news()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connection."""
        await self._source.close()


class _FileCounter:
    """``PRAGMA data_version``: another number after every commit by another connection."""

    def __init__(self, path: Path) -> None:
        self._uri = path.absolute().as_uri()
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    async def news(self) -> None:
        while not self._changed():  # noqa: ASYNC110  (nothing but the file's counter tells of other processes)
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _changed(self) -> bool:
        connection = self._connection or self._connect()
        if connection is None:
            return False
        try:
            version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:
            return True  # somebody holds the file alone for a moment: there is news, or soon will be
        before, self._seen = self._seen, version
        return before is not None and before != version

    def _connect(self) -> sqlite3.Connection | None:
        """Open the file, if it is there: a plain path would make an empty one."""
        try:
            self._connection = sqlite3.connect(f"{self._uri}?mode=rw", uri=True, timeout=0, isolation_level=None)
        except sqlite3.OperationalError:
            return None
        return self._connection


class _Notifications:
    """``LISTEN``, on a connection that is opened again when it broke."""

    def __init__(self, url: URL, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._connection: Any = None
        self._news = asyncio.Event()

    async def news(self) -> None:
        import asyncpg  # type: ignore[import-untyped]

        try:
            await self._listen()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning(
                "PostgreSQL does not take a listener (%s); commits are found by polling.", type(error).__name__
            )
        await self._news.wait()
        self._news.clear()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _listen(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            return
        import asyncpg

        dsn = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = await asyncpg.connect(dsn)
        keep_alive(self._connection)
        self._connection.add_termination_listener(lambda _connection: self._news.set())
        await self._connection.add_listener(self._channel, lambda *_: self._news.set())
        self._news.set()  # something may have been committed while nobody listened
