"""A job's end told to a real receiver by the whole product, and times in a job's life."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from benchmarks.stack import Stack
from orchestration.client import open_client
from speech.settings import Settings
from tests.receiver import receiving
from tests.waiting import eventually

pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]


async def test_a_job_tells_its_end_and_its_results_expire(stack: Stack, client: httpx.Client, jfk: Path) -> None:
    secret = client.post("/webhooks/secrets").raise_for_status().json()["secret"]
    with receiving() as receiver:
        body = {"model": "tiny.en", "file_ids": stack.upload(client, jfk), "webhook_url": receiver.url}
        job_id = client.post("/transcribe", json={**body, "expires_in": 60}).raise_for_status().json()["job_id"]

        async def delivered() -> bool:
            (found,) = client.get(f"/jobs/{job_id}/deliveries").json()["deliveries"] or [{}]
            return bool(found.get("status") == "delivered")

        await eventually(delivered)
        said = receiver.verified(secret)
    job = client.get(f"/jobs/{job_id}").json()
    assert (said["type"], said["data"]["job_id"], said["data"]["status"]) == ("job.completed", job_id, "completed")
    assert job["expires_at"] is not None
    assert b"country" not in receiver.came[0][1]
    kept = [path for path in (stack.data_dir / "prefect").rglob("*") if path.is_file()]
    assert not [path for path in [*kept, stack.log] if b"planted-secret" in path.read_bytes()]


async def test_the_clean_up_runs_in_the_product(stack: Stack) -> None:
    there = Settings(_env_file=None, data_dir=stack.data_dir, prefect_api_url=stack.prefect_url)  # type: ignore[call-arg]
    async with open_client(there) as prefect:
        deployment = await prefect.read_deployment_by_name("clean_up/clean_up")
        assert [schedule.active for schedule in deployment.schedules] == [True]
        run = await prefect.create_flow_run_from_deployment(deployment.id)

        async def completed() -> bool:
            state = (await prefect.read_flow_run(run.id)).state
            return state is not None and state.is_completed()

        await eventually(completed)
