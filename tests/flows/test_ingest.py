"""The flow, by Prefect's engine: from objects to transcripts and back, with ids alone in what Prefect keeps."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.states import Cancelling

from flows.ingest import ingest
from orchestration.client import open_client
from orchestration.environment import prefect_settings
from orchestration.internals import run_to_its_end
from speech.ingestion import IngestOptions, ObjectStatus, RunStatus
from speech.jobs import JobStatus
from speech.settings import IngestStore
from storage.ids import new_id
from storage.ingests import Ingest
from storage.projection import Projection
from tests.flows.conftest import Bench

pytestmark = pytest.mark.prefect
SECRET = "a secret name.flac"


def run(bench: Bench, ingest_id: str) -> State[Any] | None:
    def in_thread() -> State[Any] | None:
        with prefect_settings(bench.runtime.settings), get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(ingest, parameters={"ingest_id": ingest_id})
            return run_to_its_end(ingest, flow_run)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(in_thread).result()


@pytest.fixture
def source(bench: Bench, tmp_path: Path, jfk: Path) -> Ingest:
    folder = tmp_path / "calls"
    folder.mkdir()
    shutil.copy(jfk, folder / SECRET)
    os.utime(folder / SECRET, (1000, 1000))  # nobody has written to it lately
    stores = {"calls": IngestStore(url=f"file://{folder}", write=True)}
    object.__setattr__(bench.runtime, "settings", bench.runtime.settings.model_copy(update={"ingest_stores": stores}))
    options = IngestOptions.model_validate(
        {
            "url": f"file://{folder}",
            "request": {"provider": "scripted"},
            "results": {"to": "next_to_source", "formats": ["json", "txt"]},
        }
    )
    return bench.runtime.wait(bench.runtime.store.ingests.create("default", options, ingest_id=new_id()))


def test_from_an_object_to_a_transcript_and_back(bench: Bench, source: Ingest, tmp_path: Path) -> None:
    state = run(bench, source.ingest_id)
    assert state is not None
    assert state.is_completed()
    (row,), _ = bench.runtime.wait(bench.runtime.store.ingest_objects.list(source.ingest_id))
    job = bench.runtime.wait(bench.runtime.store.jobs.get("default", row.job_id or ""))
    ended = bench.run(job)
    assert ended is not None
    assert ended.is_completed()
    bench.runtime.wait(bench.runtime.store.jobs.project(job.job_id, 1, Projection(JobStatus.COMPLETED)))
    again = run(bench, source.ingest_id)
    assert again is not None
    assert again.is_completed()
    assert sorted(path.name for path in (tmp_path / "calls").iterdir()) == [
        SECRET,
        f"{SECRET}.json",
        f"{SECRET}.txt",
    ]
    (row,), _ = bench.runtime.wait(bench.runtime.store.ingest_objects.list(source.ingest_id))
    assert row.status is ObjectStatus.DONE
    runs, _ = bench.runtime.wait(bench.runtime.store.ingest_runs.list(source.ingest_id))
    assert [(one.status, one.counts.submitted, one.counts.done) for one in runs] == [
        (RunStatus.COMPLETED, 0, 1),
        (RunStatus.COMPLETED, 1, 0),
    ]
    report = artifact(bench, source)
    assert '"done"' in report
    assert SECRET not in report


def test_a_source_that_cannot_be_read_fails_with_a_code_alone(bench: Bench, source: Ingest, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "calls")
    state = run(bench, source.ingest_id)
    assert state is not None
    assert (state.name, state.message) == ("Failed", "url_not_found")
    (one,), _ = bench.runtime.wait(bench.runtime.store.ingest_runs.list(source.ingest_id))
    assert (one.status, one.error_code) == (RunStatus.FAILED, "url_not_found")


def test_a_source_that_was_deleted_ends_quietly(bench: Bench, source: Ingest) -> None:
    bench.runtime.wait(bench.runtime.store.ingests.delete("default", source.ingest_id))
    state = run(bench, source.ingest_id)
    assert state is not None
    assert state.is_cancelled()


def test_a_run_that_somebody_cancels_in_prefect_stops_at_its_next_handful(
    bench: Bench, source: Ingest, tmp_path: Path, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.wanted.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("pipeline.ingestion.AT_ONCE", 1)
    shutil.copy(jfk, tmp_path / "calls" / "second.flac")
    os.utime(tmp_path / "calls" / "second.flac", (1000, 1000))
    objects = bench.runtime.store.ingest_objects
    take = objects.take

    async def take_and_cancel(*given: Any, **named: Any) -> Any:
        (one,), _ = await bench.runtime.store.ingest_runs.list(source.ingest_id)
        async with open_client(bench.runtime.settings) as client:
            await client.set_flow_run_state(UUID(one.flow_run_id or ""), Cancelling())
        return await take(*given, **named)

    monkeypatch.setattr(objects, "take", take_and_cancel)
    state = run(bench, source.ingest_id)
    assert state is not None
    assert state.is_cancelled(), state
    assert len(bench.runtime.wait(objects.list(source.ingest_id))[0]) == 1
    (one,), _ = bench.runtime.wait(bench.runtime.store.ingest_runs.list(source.ingest_id))
    assert (one.status, one.error_code, one.counts.submitted) == (RunStatus.FAILED, "run_cancelled", 1)


def artifact(bench: Bench, source: Ingest) -> str:
    with prefect_settings(bench.runtime.settings), get_client(sync_client=True) as client:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[f"ingest-{source.ingest_id}"]))
        found = client.read_artifacts(artifact_filter=chosen)
    return str(found[0].data)
