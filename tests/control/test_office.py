"""The lease that control holds, and what it does without Prefect."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from control import service
from control.service import Candidate, Office
from storage.garbage import discard
from tests.storage.conftest import Desk, make_settings
from tests.waiting import eventually


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(service, "RENEW_SECONDS", 0.05)


async def held_out(desk: Desk) -> None:
    """Hold the lease until it is lost; work never ends by itself."""
    candidate = Candidate(make_settings(desk.store.database.path.parent), desk.store, "a/b")  # type: ignore[union-attr]
    working = asyncio.create_task(asyncio.Event().wait())
    try:
        async with asyncio.timeout(20):
            await candidate._renew(working, time.monotonic())  # type: ignore[arg-type]
    finally:
        working.cancel()


@pytest.mark.usefixtures("short_lease")
async def test_who_hears_nothing_of_the_lease_lets_go(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.store.database.path or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write meanwhile
        await held_out(desk)
    assert await desk.store.leases.acquire(service.LEASE, "another", 1)


@pytest.mark.usefixtures("short_lease")
async def test_a_lease_that_was_given_too_late_is_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(*_: object) -> bool:
        await asyncio.sleep(0.4)
        return True

    monkeypatch.setattr(desk.store.leases, "acquire", late)
    await held_out(desk)


async def test_bytes_go_although_who_deleted_them_died(desk: Desk) -> None:
    desk.store.blobs.write("owners/default/files/a/audio", b"left behind")
    async with desk.store.database.writing() as connection:
        await discard(connection, ["owners/default/files/a/audio"])
    settings = make_settings(desk.store.database.path.parent)  # type: ignore[union-attr]
    office = Office(settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"}), desk.store, "a/b")

    async def gone() -> bool:
        return not desk.store.blobs.exists("owners/default/files/a/audio")

    working = asyncio.create_task(office.work())
    try:
        await eventually(gone, 20)
    finally:
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
