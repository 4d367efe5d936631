"""Several processes at one database at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from speech.settings import Settings
from storage import schema
from storage.database import Database
from storage.store import Store
from storage.wake import CommitSignal
from tests.postgres_server import empty_database
from tests.storage.conftest import OWNER, Desk

ROOT = Path(__file__).parents[2]


def start_together(settings: Settings, what: str, counts: list[int]) -> list[list[str]]:
    """Run submitter.py once for each count, all at the same moment; what each of them did."""
    command = [sys.executable, "-m", "tests.storage.submitter", what, str(settings.data_dir)]
    command.append(settings.database_url or "-")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen([*command, str(count)], cwd=ROOT, text=True, **pipes) for count in counts]  # type: ignore[call-overload]
    try:
        for process in started:
            assert process.stdout.readline() == "ready\n"
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=120)[0]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


async def test_two_processes_of_twenty_submitters(store: Store, store_settings: Settings, desk: Desk) -> None:
    done = await asyncio.to_thread(start_together, store_settings, "submit", [10, 10])
    submitted = [job_id for job_ids in done for job_id in job_ids]
    listed, _ = await store.jobs.list(OWNER, limit=100)
    assert len(submitted) == 20
    assert {job.job_id for job in listed} == set(submitted)
    assert {job_id for _, job_id, _ in await desk.outbox()} == set(submitted)


async def test_four_processes_migrate_at_once(store_settings: Settings) -> None:
    done = await asyncio.to_thread(start_together, store_settings, "migrate", [0, 1, 2, 3])
    assert done == [[schema.head()]] * 4


async def test_one_of_two_processes_gets_the_lease(store: Store, store_settings: Settings) -> None:
    done = await asyncio.to_thread(start_together, store_settings, "acquire", [1, 2])
    assert sorted(done) == [["False"], ["True"]]


async def test_a_commit_of_another_process_wakes(store: Store, store_settings: Settings) -> None:
    signal = CommitSignal(store.database)
    while await signal.wait(0.2):  # what came before
        pass
    waiting = asyncio.create_task(signal.wait(60))
    await asyncio.to_thread(start_together, store_settings, "submit", [1])
    assert await waiting
    await signal.close()


async def test_a_commit_of_this_process_wakes(store: Store, desk: Desk) -> None:
    signal = CommitSignal(store.database)
    while await signal.wait(0.2):
        pass
    await desk.job()
    assert await signal.wait(60)
    assert not await signal.wait(0.2)
    await signal.close()
    await signal.close()


@pytest.mark.postgres
async def test_a_broken_connection_wakes_and_is_opened_again(postgres_url: str, tmp_path: Path) -> None:
    with empty_database(postgres_url) as url:
        database = Database(url)
        await database.migrate()
        signal = CommitSignal(database)
        assert await signal.wait(60)
        async with database.writing() as connection:
            mine = "pid <> pg_backend_pid() AND datname = current_database() AND query LIKE 'LISTEN%'"
            await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}"))
        assert await signal.wait(60)
        async with database.writing() as connection:
            await connection.execute(text("SELECT pg_notify('woa', '')"))
        assert await signal.wait(60)
        await signal.close()
        await database.close()


async def test_waiting_for_a_database_that_is_not_there(tmp_path: Path) -> None:
    signal = CommitSignal(Database(f"sqlite+aiosqlite:///{tmp_path}/nothing.db"))
    assert not await signal.wait(0.1)
    assert list(tmp_path.iterdir()) == []
    await signal.close()


async def test_waiting_for_a_server_that_does_not_answer() -> None:
    signal = CommitSignal(Database("postgresql+asyncpg://u@127.0.0.1:1/n"))
    assert not await signal.wait(0.5)
    await signal.close()
