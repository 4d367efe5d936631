"""Listening to Prefect's events: hints that come while the server is there, and again after it was away."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from prefect import flow
from prefect.events import Event
from prefect.states import Scheduled

from orchestration.client import open_client
from orchestration.events import listen, run_events
from orchestration.internals import flow_run_id_of_event
from speech.settings import Settings
from tests.gate import Gate
from tests.prefect_server import RunningPrefect
from tests.waiting import eventually


@flow
def heard_of() -> None:
    """Do nothing."""


@pytest.mark.prefect
async def test_events_are_heard_again_after_an_outage(prefect_server: RunningPrefect, settings: Settings) -> None:
    there = settings.model_copy(update={"prefect_api_url": prefect_server.url})
    gate = Gate(prefect_server.url)
    await gate.open()
    heard: list[Event] = []
    listening = asyncio.create_task(
        listen(there.model_copy(update={"prefect_api_url": gate.url}), run_events("Scheduled"), heard.append)
    )
    async with open_client(there) as client:

        async def made_is_heard() -> bool:
            run = await client.create_flow_run(heard_of, name=uuid4().hex, state=Scheduled())
            await asyncio.sleep(0.2)
            return any(flow_run_id_of_event(event.resource.id) == run.id for event in heard)

        assert await eventually(made_is_heard)
        await gate.shut()
        await gate.open()
        heard.clear()
        assert await eventually(made_is_heard)
    assert {event.event for event in heard} == {"prefect.flow-run.Scheduled"}
    assert not listening.done()
    listening.cancel()
    await asyncio.wait({listening})
    await gate.shut()


def test_filters_name_states_and_pool() -> None:
    everything = run_events()
    assert everything.event is not None
    assert everything.event.prefix == ["prefect.flow-run."]
    some = run_events("Scheduled", work_pool="speech-cpu")
    assert some.event is not None
    assert some.event.name == ["prefect.flow-run.Scheduled"]
    assert some.related is not None
    both = run_events(work_pool=("speech-cpu", "speech-gpu"))
    assert both.related is not None
    assert both.related.labels is not None
    assert both.related.labels["prefect.resource.name"] == ["speech-cpu", "speech-gpu"]
