"""Two installations at one Prefect server: the second neither takes the pool nor serves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deployments.apply import apply
from orchestration.client import open_client
from orchestration.ownership import ForeignPool, check_owner, owner_of
from speech.settings import Settings
from storage.store import Store
from tests.prefect_server import RunningPrefect, prefect_server
from workers.service import PoolService

__all__ = ["prefect_server"]
pytestmark = pytest.mark.prefect


def installed(folder: Path, prefect: RunningPrefect) -> Settings:
    return Settings(
        _env_file=None, data_dir=folder, prefect_api_url=prefect.url, work_pool=f"pool-of-{folder.parent.name}"
    )  # type: ignore[call-arg]


async def identity(settings: Settings) -> str:
    store = Store.open(settings)
    try:
        await store.migrate()
        return await store.installation.identity()
    finally:
        await store.close()


async def test_an_installation_keeps_its_identity(tmp_path: Path, prefect_server: RunningPrefect) -> None:
    one, two = installed(tmp_path / "one", prefect_server), installed(tmp_path / "two", prefect_server)
    made = set(await asyncio.gather(*(identity(one) for _ in range(5))))
    assert len(made) == 1
    assert made != {await identity(two)}


async def test_another_installation_may_not_take_the_pool(tmp_path: Path, prefect_server: RunningPrefect) -> None:
    mine, theirs = installed(tmp_path / "mine", prefect_server), installed(tmp_path / "theirs", prefect_server)
    await apply(mine)
    with pytest.raises(ForeignPool, match="another installation"):
        await apply(theirs)
    async with open_client(mine) as client:
        pool = await client.read_work_pool(mine.work_pool)
    assert owner_of(pool) == await identity(mine)
    check_owner(pool, await identity(mine))


async def test_another_installation_s_worker_does_not_serve_it(tmp_path: Path, prefect_server: RunningPrefect) -> None:
    mine, theirs = installed(tmp_path / "mine", prefect_server), installed(tmp_path / "theirs", prefect_server)
    await apply(mine)
    stop = asyncio.Event()
    serving = asyncio.create_task(PoolService(theirs).serve(stop))
    _, pending = await asyncio.wait({serving}, timeout=3)
    assert pending
    async with open_client(mine) as client:
        assert await client.read_workers_for_work_pool(mine.work_pool) == []
    stop.set()
    await serving
