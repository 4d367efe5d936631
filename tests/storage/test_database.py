"""Connections and schema: what is promised of transactions, files, versions and bad URLs."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from speech.clock import now
from speech.errors import SpeechError
from speech.settings import Settings
from storage import errors, schema
from storage.cursors import Position, decode, encode
from storage.database import LONG_LOG, Database
from storage.errors import BlobMissing, DatabaseUnusable, Missing
from storage.ids import new_id
from storage.store import Store
from storage.tables import files, marks, metadata, owners
from tests.storage.conftest import OWNER, Desk

ROOT = Path(__file__).parents[2]


async def test_migrations_make_the_tables_as_they_are_declared(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with store.database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_changes_nothing(store: Store) -> None:
    await store.migrate()
    assert await store.database.revision() == schema.head()
    async with store.database.reading() as connection:
        assert (await connection.execute(select(owners.c.owner_id))).scalars().all() == [OWNER]


async def test_a_newer_database_is_used_as_it_is(store: Store, desk: Desk) -> None:
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text("ALTER TABLE jobs ADD COLUMN mood TEXT"))
        await connection.execute(text("ALTER TABLE jobs ADD COLUMN score INTEGER NOT NULL DEFAULT 0"))
    await store.migrate()
    job = await desk.job()
    assert await desk.fresh(job) == job
    assert await store.database.revision() == "9999"


async def test_down_and_up_again(store: Store) -> None:
    from alembic import command

    def down(connection: Connection) -> None:
        command.downgrade(schema._config(connection), "base")

    async with store.database.writing() as connection:
        await connection.run_sync(down)
    await store.migrate()
    await store.database.check()


async def test_a_failing_block_is_rolled_back(store: Store) -> None:
    async def fail() -> None:
        async with store.database.writing() as connection:
            await connection.execute(insert(owners).values(owner_id="new", created_at=now()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.database.reading() as connection:
        assert (await connection.execute(select(owners.c.owner_id))).scalars().all() == [OWNER]


@pytest.mark.parametrize("durable", [True, False])
async def test_a_block_is_committed(store: Store, durable: bool) -> None:
    async with store.database.writing(durable=durable) as connection:
        await connection.execute(insert(owners).values(owner_id="new", created_at=now()))
    async with store.database.reading() as connection:
        found = (await connection.execute(select(owners.c.owner_id).order_by(owners.c.owner_id))).scalars().all()
    assert found == [OWNER, "new"]


async def test_what_is_accepted_waits_for_the_disk(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    await store.migrate()
    levels = []
    for durable in (True, False, True):
        async with store.database.writing(durable=durable) as connection:
            await connection.execute(select(owners))
            levels.append((await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one())
    assert levels == [2, 1, 2]
    async with store.database.reading() as connection:
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one() == "wal"
    await store.close()


async def test_a_long_log_is_brought_home_by_whoever_is_asked_to_and_by_no_commit(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    await store.migrate()
    path = store.database.path
    assert path is not None
    log, before = Path(f"{path}-wal"), path.stat().st_size
    await store.database.checkpoint()  # short: not worth it
    while log.stat().st_size < LONG_LOG:
        async with store.database.writing(durable=False) as connection:
            values = [{"owner_id": new_id(), "created_at": now()} for _ in range(1000)]
            await connection.execute(insert(owners), values)
    assert path.stat().st_size == before
    await store.database.checkpoint()
    assert path.stat().st_size > before
    await store.close()


async def test_readers_see_the_state_before_and_are_not_blocked_by_a_writer(store: Store, desk: Desk) -> None:
    job = await desk.job()
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE jobs SET status = 'failed'"))
        assert await desk.fresh(job) == job
    assert (await desk.fresh(job)).status == "failed"


async def test_a_reader_sees_one_snapshot(store: Store, desk: Desk) -> None:
    job = await desk.job()
    async with store.database.reading() as reader:
        before = (await reader.execute(text("SELECT status FROM jobs"))).scalar_one()
        await store.jobs.request_cancel(OWNER, job.job_id)
        assert (await reader.execute(text("SELECT status FROM jobs"))).scalar_one() == before == "queued"


async def test_readers_cannot_write(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    await store.migrate()
    with pytest.raises(DBAPIError, match="readonly"):
        async with store.database.reading() as connection:
            await connection.execute(insert(owners).values(owner_id="new", created_at=now()))
    await store.close()


async def test_foreign_keys_hold(store: Store) -> None:
    row = {"file_id": "f", "owner_id": "nobody", "filename": "a", "size_bytes": 1, "content_type": "audio/wav"}
    with pytest.raises(IntegrityError):
        async with store.database.writing() as connection:
            await connection.execute(insert(files).values(row | {"created_at": now()}))


async def test_errors_do_not_repeat_what_was_to_be_written(store: Store) -> None:
    row = {"file_id": "f", "owner_id": "nobody", "filename": "a", "size_bytes": 1, "content_type": "audio/wav"}
    secret = "https://example.com/a.wav?token=planted"
    with pytest.raises(IntegrityError) as caught:
        async with store.database.writing() as connection:
            await connection.execute(insert(files).values(row | {"created_at": now(), "source_url": secret}))
    with pytest.raises(DBAPIError) as asked:
        async with store.database.reading() as connection:
            await connection.execute(text("SELECT * FROM nowhere WHERE url = :url"), {"url": secret})
    assert "planted" not in str(caught.value)
    assert "planted" not in str(asked.value)


async def test_a_cancelled_writer_lets_the_next_one_in(store: Store, desk: Desk) -> None:
    entered = asyncio.Event()

    async def hold() -> None:
        async with store.database.writing() as connection:
            await connection.execute(insert(owners).values(owner_id="half", created_at=now()))
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await desk.job()
    async with store.database.reading() as connection:
        assert (await connection.execute(select(owners.c.owner_id))).scalars().all() == [OWNER]


async def test_writers_cancelled_at_any_moment_leave_the_store_usable(store: Store, desk: Desk) -> None:
    file_id = await desk.file()
    from speech.options import TranscribeRequest

    asked = TranscribeRequest(file_ids=[file_id])
    for steps in range(12):
        task = asyncio.create_task(store.jobs.create(OWNER, asked, max_unfinished=1000))
        for _ in range(steps):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    job = await store.jobs.create(OWNER, asked, max_unfinished=1000)
    listed, _ = await store.jobs.list(OWNER)
    assert job in listed
    assert {found for _, found, _ in await desk.outbox()} == {one.job_id for one in listed}


async def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    moment = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5)))
    async with store.database.writing() as connection:
        await connection.execute(insert(marks).values(name="a", at=moment))
        with pytest.raises(Exception, match="time zone"):
            await connection.execute(update(marks).values(at=datetime(2026, 1, 1)))
    async with store.database.reading() as connection:
        found = (await connection.execute(select(marks.c.at))).scalar_one()
    assert found == moment
    assert found.tzinfo is UTC


async def test_the_database_file_is_its_owners_alone(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    await store.migrate()
    await store.keys.create(OWNER, "laptop")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_settings.data_dir.iterdir()}
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
    assert "woa.db-wal" in modes
    assert stat.S_IMODE(sqlite_settings.data_dir.stat().st_mode) == 0o700
    await store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not a database URL"),
        ("mysql+aiomysql://host/name", "mysql"),
        ("sqlite+pysqlite:///x.db", "sqlite"),
        ("sqlite+aiosqlite://", "memory"),
        ("sqlite+aiosqlite:///:memory:", "memory"),
    ],
)
def test_unusable_urls_say_what_to_do(url: str, said: str) -> None:
    with pytest.raises(DatabaseUnusable, match=said) as caught:
        Database(url)
    assert "sqlite" in caught.value.message.lower()


def test_short_urls_get_their_driver() -> None:
    assert Database("postgresql://u@h/n").url.drivername == "postgresql+asyncpg"
    assert Database("sqlite:////tmp/x.db").path == Path("/tmp/x.db")


async def test_nobody_answers() -> None:
    database = Database("postgresql+asyncpg://user:planted-secret@127.0.0.1:1/name")
    for call in (database.migrate, database.check):
        with pytest.raises(DatabaseUnusable) as caught:
            await call()
        assert "127.0.0.1:1" in caught.value.message
        assert "planted-secret" not in caught.value.message
    await database.close()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/file/woa.db")
    with pytest.raises(DatabaseUnusable, match="WOA_DATABASE_URL"):
        await database.migrate()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "woa.db").write_bytes(b"this is not a database at all" * 100)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/woa.db")
    with pytest.raises(DatabaseUnusable, match="not a database"):
        await database.migrate()


async def test_a_database_that_was_never_migrated_fails_the_check(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "woa.db").close()
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/woa.db")
    with pytest.raises(DatabaseUnusable):
        await database.check()
    await database.close()


def test_a_process_that_forgets_to_close_ends(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from speech.settings import Settings\n"
        "from storage.store import Store\n"
        "store = Store.open(Settings(_env_file=None, data_dir=sys.argv[1]))\n"
        "asyncio.run(store.migrate())\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], cwd=ROOT, check=True, timeout=60)


def test_opening_a_store_touches_nothing(sqlite_settings: Settings) -> None:
    Store.open(sqlite_settings)
    assert not sqlite_settings.data_dir.exists()


def test_importing_storage_stays_quick() -> None:
    heavy = "{'s3fs', 'asyncpg', 'botocore', 'prefect', 'numpy'}"
    code = f"import sys, storage.store; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_errors_survive_pickling() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SpeechError)]
    assert len(kinds) >= 8
    for kind in kinds:
        copy = pickle.loads(pickle.dumps(kind("A sentence.")))
        assert (type(copy), copy.message, copy.code, str(copy)) == (kind, "A sentence.", kind.code, "A sentence.")
    missing = pickle.loads(pickle.dumps(Missing("There is no job x.", "job_not_found")))
    assert (missing.code, str(missing)) == ("job_not_found", "There is no job x.")
    assert isinstance(BlobMissing("x"), KeyError)


def test_ids_are_opaque_unique_and_sorted_by_time() -> None:
    from pydantic import TypeAdapter

    from speech.options import Identifier

    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
    assert TypeAdapter(Identifier).validate_python(ids[0]) == ids[0]


def test_cursors_come_back_and_mangled_ones_are_refused() -> None:
    from speech.errors import UnsupportedOption

    position = Position(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), new_id())
    cursor = encode(position)
    assert decode(cursor) == position
    mangled = [
        cursor[:index] + ("A" if cursor[index] != "A" else "B") + cursor[index + 1 :] for index in range(len(cursor))
    ]
    for bad in [*mangled, cursor[:-1], cursor + "A", "", "====", "\ud800"]:
        with pytest.raises(UnsupportedOption) as caught:
            decode(bad)
        assert caught.value.field == "cursor"
