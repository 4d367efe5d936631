"""A runtime with real storage and a real Prefect server, and providers that do what the test says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from prefect import Flow, State
from prefect.client.orchestration import get_client

from audio.samples import Samples
from audio.spool import Spool
from engine.engine import Engine
from flows.transcribe import transcribe
from orchestration.environment import prefect_settings
from orchestration.handover import Parting, expect_parting
from orchestration.internals import run_to_its_end
from pipeline.runtime import Runtime
from providers.base import RecognitionOptions, Watch
from providers.diarizer import SpeakerBounds
from providers.fake_steps import FakeAligner, FakeDiarizer, FakePunctuator
from providers.registry import Extra, Registry
from providers.role import StepWatch
from speech.clock import now
from speech.diarization import Diarization
from speech.jobs import Job, StoredFile
from speech.options import TranscribeRequest
from speech.settings import Settings
from speech.transcript import Recognition
from tasks.current import use
from tests.pipeline.conftest import Counting
from tests.prefect_server import RunningPrefect, prefect_server
from weights.store import WeightStore

__all__ = ["prefect_server"]


class Scripted(Counting):
    """Fails with the errors that the test lines up, then recognises."""

    name: ClassVar[str] = "scripted"
    errors: ClassVar[list[Exception]] = []
    tries: ClassVar[int] = 0
    said: ClassVar[list[tuple[float, str | None]]] = []

    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition:
        type(self).tries += 1
        self.said.append((samples.size, options.language))
        if self.errors:
            raise self.errors.pop(0)
        return super()._recognise(samples, options, watch)


class Diarizing(FakeDiarizer):
    """Fails with the errors that the test lines up, then tells the speakers apart."""

    errors: ClassVar[list[Exception]] = []
    tries: ClassVar[int] = 0

    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        type(self).tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return super()._diarize(spool, bounds, watch)


class Bench:
    """A runtime, and the means to submit and run jobs on it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.parting = Parting()
        """What the last run told its worker as it let go."""

    def stored(self, *paths: Path, owner_id: str = "default") -> list[str]:
        """Files as an upload leaves them."""
        return [self._store(path, owner_id, index) for index, path in enumerate(paths)]

    def _store(self, path: Path, owner_id: str, index: int) -> str:
        file_id = f"file-{index}-{path.stem}"
        blob_key = f"owners/{owner_id}/files/{file_id}/audio"
        self.runtime.store.blobs.put(path, blob_key)
        size = path.stat().st_size
        row = StoredFile(
            file_id, owner_id, path.name, size, "audio/flac", 1.0, 16_000, 1, f"{index:064x}", blob_key, now()
        )
        self.runtime.wait(self.runtime.store.files.add(row))
        return file_id

    def submitted(self, **body: Any) -> Job:
        """A job of the scripted provider."""
        request = TranscribeRequest.model_validate({"provider": "scripted", **body})
        return self.runtime.wait(self.runtime.store.jobs.create("default", request, max_unfinished=100))

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        return self.runtime.wait(self.runtime.store.jobs.get("default", job.job_id))

    def run(self, job: Job, submission: int = 1) -> State[Any] | None:
        """The flow run of a job, run as the worker would: in a thread, by Prefect's engine."""
        return self.run_flow(transcribe, {"job_id": job.job_id, "submission": submission})

    def run_flow(self, flow: Flow[..., Any], parameters: dict[str, Any]) -> State[Any] | None:
        """The same of any flow."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._run, flow, parameters).result()

    def _run(self, flow: Flow[..., Any], parameters: dict[str, Any]) -> State[Any] | None:
        with prefect_settings(self.runtime.settings), get_client(sync_client=True) as client:
            flow_run = client.create_flow_run(flow, parameters=parameters)
            self.parting = expect_parting()
            return run_to_its_end(flow, flow_run)


@pytest.fixture
def bench(settings: Settings, prefect_server: RunningPrefect) -> Iterator[Bench]:
    """A runtime whose only extra provider is the scripted one."""
    there = settings.model_copy(update={"prefect_api_url": prefect_server.url})
    registry = Registry(
        there,
        WeightStore.from_settings(there),
        Engine.from_settings(there),
        extra={"scripted": lambda context: Scripted()},
        steps=Extra(
            diarizers={"fake_diarizer": Diarizing},
            aligners={"fake_aligner": FakeAligner},
            punctuators={"fake_punctuator": FakePunctuator},
        ),
    )
    runtime = Runtime.open(there, registry=registry)
    runtime.wait(runtime.store.migrate())
    Scripted.errors, Scripted.tries = [], 0
    Scripted.said.clear()
    Diarizing.errors, Diarizing.tries = [], 0
    use(runtime)
    try:
        yield Bench(runtime)
    finally:
        use(None)
        runtime.close()


def failing(*errors: Exception) -> None:
    """Line up what the provider fails with."""
    Scripted.errors = list(errors)


def tries() -> int:
    """How often the provider was asked."""
    return Scripted.tries
