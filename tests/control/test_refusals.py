"""Submissions that Prefect answers with an error: which are tried on, and which end the job."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import ObjectNotFound
from sqlalchemy import select, update

from control.outbox import TRIES, Outbox
from speech.clock import now
from speech.jobs import JobStatus
from storage import tables
from tests.storage.conftest import OWNER, Desk


@dataclass
class Refusing:
    """A Prefect that has the deployment, and answers every submission with one status."""

    status: int
    asked: int = 0

    async def read_deployment_by_name(self, _name: str) -> Any:
        return SimpleNamespace(id=uuid4())

    async def create_flow_run_from_deployment(self, *_: object, **__: object) -> Any:
        self.asked += 1
        request = httpx.Request("POST", "http://127.0.0.1/api/deployments/x/create_flow_run")
        raise httpx.HTTPStatusError("No.", request=request, response=httpx.Response(self.status, request=request))


async def tried(desk: Desk, prefect: Refusing, times: int) -> None:
    outbox = Outbox(prefect, desk.store, "transcribe/transcribe")  # type: ignore[arg-type]
    for _ in range(times):
        await outbox.empty()
        async with desk.store.database.writing() as connection:
            await connection.execute(update(tables.outbox).values(due_at=now()))


async def test_a_job_that_prefect_refuses_fails_after_some_tries(desk: Desk) -> None:
    job, prefect = await desk.job(), Refusing(422)
    await tried(desk, prefect, TRIES - 1)
    assert (await desk.fresh(job)).status is JobStatus.QUEUED
    await tried(desk, prefect, 2)
    failed = await desk.fresh(job)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "run_refused")
    assert "422" in (failed.error or "")
    assert failed.files[0].error_code == "run_refused"
    assert prefect.asked == TRIES
    assert await desk.outbox() == []


async def test_what_is_not_deployed_keeps_nothing_else_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.outbox.BATCH", 2)
    there, made = "there/there", []

    class HalfDeployed(Refusing):
        async def read_deployment_by_name(self, name: str) -> Any:
            if name != there:
                raise ObjectNotFound(Exception(name))
            return SimpleNamespace(id=uuid4())

        async def create_flow_run_from_deployment(self, *_: object, name: str, **__: object) -> Any:
            made.append(name)
            return SimpleNamespace(id=uuid4())

    outbox = Outbox(HalfDeployed(200), desk.store, "transcribe/transcribe")  # type: ignore[arg-type]
    waiting = [(await desk.job()).job_id for _ in range(3)]
    last = (await desk.job()).job_id

    async def of(job_id: str) -> str:
        return there if job_id == last else "away/away"

    monkeypatch.setattr(outbox, "_deployment_of", of)
    await outbox.empty()
    assert made == [last]
    async with desk.store.database.reading() as connection:
        left = (await connection.execute(select(tables.outbox.c.job_id).order_by(tables.outbox.c.id))).scalars().all()
    assert left == waiting


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
async def test_answers_that_say_nothing_of_the_job_are_waited_out(desk: Desk, status: int) -> None:
    job, prefect = await desk.job(), Refusing(status)
    await tried(desk, prefect, TRIES + 2)
    assert prefect.asked == TRIES + 2
    assert (await desk.fresh(job)).status is JobStatus.QUEUED
    assert await desk.outbox() == [("submit", job.job_id, 1)]


async def test_a_job_that_was_given_up_is_not_submitted_after_all(desk: Desk) -> None:
    job, prefect = await desk.job(), Refusing(422)
    [row] = await desk.store.outbox.due()
    outbox = Outbox(prefect, desk.store, "transcribe/transcribe")  # type: ignore[arg-type]
    await outbox._give_up(row, 422)
    async with desk.store.database.writing() as connection:  # as if the process had died before the row was gone
        again = {"kind": "submit", "owner_id": OWNER, "job_id": job.job_id, "submission": 1}
        await connection.execute(tables.outbox.insert().values(again | {"created_at": now(), "due_at": now()}))
    await outbox.empty()
    assert prefect.asked == 0
    assert await desk.outbox() == []
