"""Takes that wait become runs in the urgent queue: one a take, however many controls make it."""

from __future__ import annotations

import asyncio

import pytest

from control.enrolments import EnrolmentDesk
from deployments.apply import apply
from deployments.specification import read
from storage.ids import new_id
from tests.control.conftest import OWNER, Installation
from tests.storage.conftest import Desk

pytestmark = pytest.mark.prefect


async def test_several_controls_make_one_run(installation: Installation) -> None:
    given = read()
    (enrols,) = [deployment for deployment in given.deployments if deployment.name == "enrol"]
    only = enrols.model_copy(update={"name": installation.settings.work_pool})
    await apply(installation.settings, given.model_copy(update={"deployments": (only,)}))
    file_id = await Desk(installation.store).file()
    made = await installation.store.speakers.create(OWNER, "Planted Name", [file_id], speaker_id=new_id())
    hands = [EnrolmentDesk(installation.client, installation.store, f"enrol/{only.name}") for _ in range(3)]
    await asyncio.gather(*(hand.make_runs() for hand in hands))
    (run,) = await installation.runs()
    assert run.parameters == {"take_id": made.takes[0].take_id}
    assert run.work_queue_name == "express"
    assert "Planted" not in run.model_dump_json()
    await hands[0].make_runs()
    assert len(await installation.runs()) == 1
