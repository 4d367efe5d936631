"""Connections: one way to read, one way to write, on SQLite and on PostgreSQL.

SQLite runs in WAL mode. Writers of one process queue for one connection and start with ``BEGIN IMMEDIATE``, so
that no transaction finds out in its middle that it may not write; writers of other processes are waited for by
SQLite's busy handler. Readers have connections of their own, see a snapshot and never take the write lock.
``synchronous=FULL`` makes a commit wait for the disk, some milliseconds: what was accepted survives a power loss.
To bring the log home into the database's file takes ten times as long: control does it in the background, so that
nobody's commit has to.
PostgreSQL may be lost with its host: a statement has a minute, and connections break that nobody answers on.
Errors name the statement and not what was bound to it, which may be a prompt or a URL with a secret.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage import schema
from storage.errors import DatabaseUnusable
from storage.lines import keep_alive
from storage.sqlite_driver import OneHopConnection

STATEMENT_SECONDS = 60.0
BUSY_SECONDS = 30
"""How long a writer waits for the writers of other processes."""
READERS = 4
LOG_PAGES = 10_000
"""Length of SQLite's log at which a commit brings it home after all, for want of anybody who does so before."""
LONG_LOG = 4 * 1024 * 1024
"""Bytes of SQLite's log that are worth bringing home."""


class Database:
    """One database, by its SQLAlchemy async URL. Nothing is opened before the first use.

    Use it from one event loop; every process opens its own, and several may be open at once. ``seconds`` is what a
    statement may take on PostgreSQL.
    """

    def __init__(self, url: str, *, seconds: float = STATEMENT_SECONDS) -> None:
        self.url = _checked(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        make = _sqlite_engine if self.sqlite else partial(_postgres_engine, seconds=seconds)
        self._writer = make(self.url, writes=True)
        self._reader = make(self.url, writes=False)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None on PostgreSQL."""
        return Path(self.url.database or "") if self.sqlite else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one consistent snapshot and cannot write."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, committed at the end of the block, rolled back when it raises.

        With ``durable=False`` the commit does not wait for the disk: for what is soon said again, such as progress.
        A loss of power can then undo it, but nothing else, and the next durable commit makes it durable too.
        """
        async with self._writer.connect() as plain:
            connection = await plain.execution_options(durable=durable)
            async with connection.begin():
                if not durable and not self.sqlite:
                    await connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
                yield connection

    async def migrate(self) -> None:
        """Create the database's file and bring the schema up to date; any number of processes may do so at once."""
        try:
            if self.path is not None:
                await asyncio.to_thread(_prepare_file, self.path)
            async with self._patient() as connection:
                await connection.run_sync(schema.upgrade)
        except (OSError, DBAPIError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    @asynccontextmanager
    async def _patient(self) -> AsyncIterator[AsyncConnection]:
        """A transaction whose statements take as long as they take: large tables, and others who migrate."""
        engine = self._writer if self.sqlite else _postgres_engine(self.url, writes=True, seconds=None)
        try:
            async with engine.begin() as connection:
                yield connection
        finally:
            if engine is not self._writer:
                await engine.dispose()

    async def revision(self) -> str | None:
        """The schema's revision, for the doctor."""
        async with self.reading() as connection:
            return await connection.run_sync(schema.revision)

    async def check(self) -> None:
        """Ask the database something trivial; DatabaseUnusable when it does not answer."""
        try:
            async with self.reading() as connection:
                await connection.execute(text("SELECT 1 FROM owners LIMIT 1"))
        except (OSError, DBAPIError) as error:
            raise self._unusable(error) from error

    async def checkpoint(self) -> None:
        """Bring SQLite's log home into the database's file when it is long, in nobody's way."""
        if self.path is not None:
            await asyncio.to_thread(_checkpoint, self.path)

    async def close(self) -> None:
        """Close every connection."""
        await self._writer.dispose()
        await self._reader.dispose()

    def _unusable(self, error: Exception) -> DatabaseUnusable:
        place = self.url.render_as_string(hide_password=True)
        cause = getattr(error, "orig", None) or error
        return DatabaseUnusable(f"The database {place} cannot be used: {cause}. Check WOA_DATABASE_URL.")


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnusable(
            "WOA_DATABASE_URL is not a database URL; give sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/NAME."
        ) from error
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = parsed.drivername.partition("+")[0]
    if backend not in drivers or ("+" in parsed.drivername and parsed.drivername != drivers[backend]):
        raise DatabaseUnusable(
            f"Databases of the kind {parsed.drivername} are not supported; use sqlite+aiosqlite or postgresql+asyncpg."
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DatabaseUnusable("SQLite in memory cannot be shared between processes; name a file in WOA_DATABASE_URL.")
    return parsed.set(drivername=drivers[backend])


def _prepare_file(path: Path) -> None:
    """Make the file, readable by its owner alone, and put it into WAL mode, which stays with the file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(f"{path}.migrating", timeout=BUSY_SECONDS * 4, mode=0o600):
        path.touch(mode=0o600, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def _checkpoint(path: Path) -> None:
    log = Path(f"{path}-wal")
    if not log.exists() or log.stat().st_size < LONG_LOG:
        return
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _sqlite_engine(url: URL, *, writes: bool) -> AsyncEngine:
    path = Path(url.database or "")
    engine = create_async_engine(
        url,
        pool_size=1 if writes else READERS,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=2 * BUSY_SECONDS,
        async_creator=lambda: OneHopConnection(path, BUSY_SECONDS, reads=not writes),
    )
    # What is deleted is overwritten, whatever the library was built to do.
    pragmas = ["foreign_keys=ON", "temp_store=MEMORY", "secure_delete=ON", f"wal_autocheckpoint={LOG_PAGES}"]
    pragmas += [] if writes else ["query_only=ON"]

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # Without this SQLite begins DEFERRED: a writer that read first then fails with "locked".
        if writes:
            durable = connection.get_execution_options().get("durable", True)
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: URL, *, writes: bool, seconds: float | None) -> AsyncEngine:
    try:
        engine = create_async_engine(
            url,
            pool_size=5,
            max_overflow=10,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"command_timeout": seconds},
            isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        )
    except ModuleNotFoundError as error:
        raise DatabaseUnusable("PostgreSQL needs the extra: pip install 'world-of-asr[postgres]'.") from error

    @event.listens_for(engine.sync_engine, "connect")
    def watch(connection: Any, _record: object) -> None:
        keep_alive(connection.driver_connection)

    return engine
