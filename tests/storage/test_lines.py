"""A PostgreSQL server that does not answer: nobody waits for it for ever."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from storage import schema
from storage.database import Database
from storage.lines import ASKED, IDLE_SECONDS, LOST_SECONDS
from tests.gate import Gate
from tests.postgres_server import emptied

pytestmark = pytest.mark.postgres


@pytest.fixture
async def gate(postgres_database: str) -> AsyncIterator[Gate]:
    """A door in front of the session's server."""
    url = make_url(postgres_database)
    opened = Gate(f"http://{url.host}:{url.port}")
    await opened.open()
    yield opened
    opened.release()
    await opened.shut()


def through(gate: Gate, url: str, seconds: float) -> Database:
    there = make_url(url).set(port=urlsplit(gate.url).port)
    return Database(there.render_as_string(hide_password=False), seconds=seconds)


async def ask(database: Database, statement: str = "SELECT 1") -> object:
    async with database.reading() as connection:
        return (await connection.execute(text(statement))).scalar_one()


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_a_statement_may_take(
    gate: Gate, postgres_database: str
) -> None:
    database = through(gate, postgres_database, 0.5)
    assert await ask(database) == 1
    gate.hold()
    began = time.monotonic()
    with pytest.raises((OSError, DBAPIError)):
        async with asyncio.timeout(20):
            await ask(database)
    assert time.monotonic() - began < 10
    gate.release()
    assert await ask(database) == 1
    await database.close()


async def test_who_gives_up_waiting_is_not_held_up_and_the_next_one_goes_over_another_connection(
    gate: Gate, postgres_database: str
) -> None:
    database = through(gate, postgres_database, 60)
    assert await ask(database) == 1
    gate.hold()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await ask(database)
    assert time.monotonic() - began < 10
    gate.release()
    assert await ask(database) == 1
    await database.close()


async def test_a_statement_that_takes_too_long_is_given_up(postgres_database: str) -> None:
    database = Database(postgres_database, seconds=0.3)
    with pytest.raises(TimeoutError):
        await ask(database, "SELECT pg_sleep(30)")
    assert await ask(database) == 1
    await database.close()


async def test_migrations_take_as_long_as_they_take(postgres_database: str) -> None:
    url = emptied(postgres_database)
    quick, other = Database(url, seconds=0.3), Database(url)
    async with other.writing() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({schema._ADVISORY_LOCK})"))
        migrating = asyncio.create_task(quick.migrate())
        await asyncio.sleep(1.0)
        assert not migrating.done()
    await migrating
    assert await quick.revision() == schema.head()
    for database in (quick, other):
        await database.close()


async def test_the_kernel_finds_out_that_the_server_is_gone(postgres_database: str) -> None:
    database = Database(postgres_database)
    async with database.reading() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        line = raw._transport.get_extra_info("socket")
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT]
        values = [line.getsockopt(socket.IPPROTO_TCP, option) for option in options]
        assert values == [IDLE_SECONDS, ASKED, LOST_SECONDS * 1000]
    await database.close()
