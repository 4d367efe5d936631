"""What is done to runs, on the real server: claimed once, signed, sent back, cancelled, dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Completed, Crashed, Pending, Running

from orchestration.client import open_client
from orchestration.internals import worker_id_of
from orchestration.runs import cancel, claim, crash, drop, requeue, settle_cancelled, sign
from speech.clock import now
from speech.settings import Settings
from tests.prefect_server import RunningPrefect

pytestmark = pytest.mark.prefect


@flow
def handled() -> None:
    """Do nothing."""


@pytest.fixture
async def client(prefect_server: RunningPrefect, settings: Settings) -> AsyncIterator[PrefectClient]:
    async with open_client(settings.model_copy(update={"prefect_api_url": prefect_server.url})) as opened:
        yield opened


@pytest.fixture
async def run(client: PrefectClient) -> FlowRun:
    """A scheduled run of a deployment: Prefect takes runs without one back to the queue only by force."""
    deployment = await client.create_deployment(await client.create_flow(handled), "handled")
    return await client.create_flow_run_from_deployment(deployment)


async def _state(client: PrefectClient, run_id: UUID) -> str:
    state = (await client.read_flow_run(run_id)).state
    assert state is not None
    return state.name or ""


async def test_a_run_is_claimed_once(client: PrefectClient, run: FlowRun) -> None:
    state = await claim(client, run)
    assert state is not None
    assert state.is_pending()
    assert await claim(client, run) is None


async def test_a_run_that_is_gone_is_not_claimed(client: PrefectClient, run: FlowRun) -> None:
    await client.delete_flow_run(run.id)
    assert await claim(client, run) is None


async def test_a_run_that_goes_back_names_no_worker(client: PrefectClient, run: FlowRun) -> None:
    await claim(client, run)
    await sign(client, run.id, "me")
    assert worker_id_of(await client.read_flow_run(run.id)) == "me"
    await requeue(client, run.id, "The worker stopped.")
    again = await client.read_flow_run(run.id)
    assert worker_id_of(again) is None
    assert await _state(client, run.id) == "Scheduled"
    assert again.next_scheduled_start_time == run.next_scheduled_start_time  # its place in the queue is kept


@pytest.mark.parametrize(("state", "then"), [(Cancelling(), "Cancelled"), (Completed(), "Completed")])
async def test_what_is_cancelled_or_done_does_not_go_back(
    client: PrefectClient, run: FlowRun, state: object, then: str
) -> None:
    await client.set_flow_run_state(run.id, Running(), force=True)
    await client.set_flow_run_state(run.id, state, force=True)  # type: ignore[arg-type, var-annotated]
    await requeue(client, run.id, "It crashed.")
    assert await _state(client, run.id) == then


async def test_a_crashed_run_goes_back(client: PrefectClient, run: FlowRun) -> None:
    await client.set_flow_run_state(run.id, Running(), force=True)
    assert await crash(client, run.id, "Its worker is gone.")
    assert await _state(client, run.id) == "Crashed"
    await requeue(client, run.id, "It crashed.")
    assert await _state(client, run.id) == "Scheduled"


async def test_a_run_that_ended_does_not_crash(client: PrefectClient, run: FlowRun) -> None:
    await client.set_flow_run_state(run.id, Completed(), force=True)
    assert not await crash(client, run.id, "Its worker is gone.")
    assert await _state(client, run.id) == "Completed"


async def test_a_waiting_run_is_cancelled_at_once_even_when_a_worker_is_named(
    client: PrefectClient, run: FlowRun
) -> None:
    await sign(client, run.id, "me")
    await cancel(client, run.id)
    assert await _state(client, run.id) == "Cancelled"


@pytest.mark.parametrize("begun", [Pending(), Running()])
async def test_a_begun_run_is_asked_to_stop(client: PrefectClient, run: FlowRun, begun: object) -> None:
    await client.set_flow_run_state(run.id, begun, force=True)  # type: ignore[arg-type, var-annotated]
    await cancel(client, run.id)
    await cancel(client, run.id)
    assert await _state(client, run.id) == "Cancelling"
    await settle_cancelled(client, run.id)
    assert await _state(client, run.id) == "Cancelled"


async def test_a_run_that_ended_is_not_cancelled(client: PrefectClient, run: FlowRun) -> None:
    await client.set_flow_run_state(run.id, Crashed(), force=True)
    await cancel(client, run.id)
    assert await _state(client, run.id) == "Crashed"


@pytest.mark.parametrize(("owner", "then"), [("me", "Cancelled"), (None, "Cancelled"), ("you", "Running")])
async def test_a_run_is_dropped_only_by_who_has_it(
    client: PrefectClient, run: FlowRun, owner: str | None, then: str
) -> None:
    await client.set_flow_run_state(run.id, Running(), force=True)
    await sign(client, run.id, owner)
    await drop(client, run.id, "me")
    assert await _state(client, run.id) == then


async def test_runs_that_do_not_exist_are_borne(client: PrefectClient) -> None:
    nobody = uuid4()
    await requeue(client, nobody, "x")
    await settle_cancelled(client, nobody)
    await cancel(client, nobody)
    await drop(client, nobody, "me")
    assert not await crash(client, nobody, "x")


@pytest.mark.parametrize(("begun", "name"), [(True, "AwaitingRetry"), (False, "Scheduled")])
async def test_a_run_that_waits_is_at_work_only_when_it_had_begun(
    client: PrefectClient, run: FlowRun, begun: bool, name: str
) -> None:
    await client.set_flow_run_state(run.id, Running(), force=True)
    await requeue(client, run.id, "It waits.", after=600, begun=begun)
    assert await _state(client, run.id) == name
    again = await client.read_flow_run(run.id)
    assert again.next_scheduled_start_time is not None
    assert (again.next_scheduled_start_time - now()).total_seconds() > 500
