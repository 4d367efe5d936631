"""The clean-up as Prefect runs it: all parts, a report of counts, and parts that fail alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import State, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Completed

from deployments.apply import apply
from flows.clean_up import Sweep, clean_up
from orchestration.client import open_client
from orchestration.environment import prefect_settings
from orchestration.internals import run_to_its_end
from speech.clock import now
from speech.jobs import JobStatus
from storage.errors import DatabaseUnusable
from storage.projection import Projection
from tests.flows.conftest import Bench

pytestmark = pytest.mark.prefect


def cleaned(bench: Bench) -> tuple[State[Any] | None, str]:
    """The flow's end, and the artifact that it left."""

    def run() -> tuple[State[Any] | None, str]:
        with prefect_settings(bench.runtime.settings), get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(clean_up)
            state = run_to_its_end(clean_up, flow_run)
            of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
            (artifact,) = client.read_artifacts(artifact_filter=of_run)
            return state, str(artifact.data)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def test_it_says_what_it_removed_and_names_nothing(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), expires_in=1e-6, output_formats=["vtt"])
    bench.run(job)
    done = Projection(JobStatus.COMPLETED, observed_at=now())
    assert bench.runtime.wait(bench.runtime.store.jobs.project(job.job_id, 1, done))
    state, artifact = cleaned(bench)
    assert state is not None
    assert state.is_completed(), state.message
    for part in (
        "expired_results",
        "unused_files",
        "steps",
        "progress",
        "deliveries",
        "ingest_runs",
        "blobs",
        "orphans",
        "idempotency_keys",
        "flow_runs",
    ):
        assert part in artifact
    assert "'what': 'expired_results', 'removed': 1" in artifact.replace('"', "'")
    assert job.job_id not in artifact
    assert "jfk" not in artifact


async def test_old_runs_go_from_every_pool(bench: Bench) -> None:
    mine, routed = (f"pool-{uuid4().hex[:8]}" for _ in range(2))
    changes = {"work_pool": mine, "pool_routes": {"faster_whisper/large*": routed}, "flow_runs_kept_seconds": 1e-6}
    there = bench.runtime.settings.model_copy(update=changes)
    await apply(there)
    async with open_client(there) as client:
        deployment = await client.read_deployment_by_name(f"transcribe/transcribe-{routed}")
        run = await client.create_flow_run_from_deployment(
            deployment.id, parameters={"job_id": "unknown", "submission": 1}
        )
        await client.set_flow_run_state(run.id, Completed(), force=True)
        report = await asyncio.to_thread(bench.runtime.wait, Sweep(replace(bench.runtime, settings=there)).all())
        assert report.removed["flow_runs"].count == 1
        with pytest.raises(ObjectNotFound):
            await client.read_flow_run(run.id)


def test_a_part_that_fails_keeps_no_other_from_its_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> int:
        raise DatabaseUnusable("It is away.")

    monkeypatch.setattr(bench.runtime.store.clearance, "expire_results", broken)
    state, artifact = cleaned(bench)
    assert state is not None
    assert state.is_failed()
    assert state.message == "Not done, and due again next time: expired_results."
    assert "orphans" in artifact


def test_a_clean_up_that_somebody_cancels_in_prefect_breaks_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.wanted.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("flows.clean_up.STOP_SECONDS", 0.05)
    settings, reached = bench.runtime.settings, []

    async def for_hours(**given: Any) -> Any:
        reached.append("blobs")
        async with open_client(settings) as client:
            (run,) = await client.read_flow_runs(flow_run_filter=running)
            await client.set_flow_run_state(run.id, Cancelling())
        await asyncio.sleep(3600)

    async def next_part(*given: Any) -> Any:
        reached.append("orphans")

    kind = FlowRunFilterStateType(any_=[StateType.RUNNING])
    running = FlowRunFilter(state=FlowRunFilterState(type=kind), start_time=FlowRunFilterStartTime(after_=now()))
    monkeypatch.setattr(bench.runtime.store.garbage, "collect", for_hours)
    monkeypatch.setattr(bench.runtime.store.orphans, "sweep", next_part)
    state, artifact = cleaned(bench)
    assert state is not None
    assert (state.is_cancelled(), reached) == (True, ["blobs"]), state
    assert "expired_results" in artifact
