"""The worker type as Prefect sees it, and the whole worker with its runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from prefect.workers.base import BaseJobConfiguration, BaseWorker
from structlog.testing import capture_logs

from orchestration.runs import claim
from pipeline.runtime import Runtime
from speech.errors import ModelNotFound, ModelUnavailable
from speech.settings import Settings
from tasks.current import _holder
from tests.waiting import eventually
from tests.workers.conftest import Pool
from workers import warm
from workers.chores import QUEUES
from workers.preload import preload
from workers.service import PoolService
from workers.warm import WarmWorker, run_worker


def test_prefect_finds_the_type() -> None:
    assert BaseWorker.get_worker_class_from_type("world-of-asr") is WarmWorker
    assert "world-of-asr" in BaseWorker.get_all_available_worker_types()
    named = [point.value for point in entry_points(group="prefect.collections") if point.name == "world_of_asr"]
    assert set(named) <= {"workers.warm"}


async def test_options_that_make_no_sense_are_refused() -> None:
    worker = WarmWorker(work_pool_name="speech-cpu")
    with pytest.raises(ValueError, match="leave those options out"):
        await worker.start(run_once=True)
    with pytest.raises(ValueError, match="leave those options out"):
        await worker.start(with_healthcheck=True)


async def test_prefects_worker_command_serves_the_pool_it_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[tuple[Settings, str | None, tuple[str, ...]]] = []

    async def serve(
        settings: Settings, stop: asyncio.Event, *, name: str | None = None, queues: tuple[str, ...] = ()
    ) -> None:
        served.append((settings, name, queues))

    monkeypatch.setattr(warm, "run_worker", serve)
    monkeypatch.setenv("WOA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WOA_PREFECT_API_URL", "http://prefect.example/api")
    said: list[str] = []
    worker = WarmWorker(work_pool_name="mine", work_queues=["low", "express"], name="tom", limit=7)
    await worker.start(printer=said.append)
    settings, name, queues = served[0]
    assert (settings.work_pool, settings.worker_slots, settings.prefect) == ("mine", 7, "http://prefect.example/api")
    assert (name, queues) == ("tom", ("express", "low"))
    assert "mine" in said[0]


@pytest.mark.prefect
async def test_a_run_that_is_handed_over_runs_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_DATA_DIR", str(pool.settings.data_dir))
    monkeypatch.setenv("WOA_PREFECT_API_URL", pool.settings.prefect)
    run = await pool.submit(await pool.deploy("tiny"))
    run.state = await claim(pool.client, run)
    worker = WarmWorker(work_pool_name=pool.settings.work_pool)
    result = await worker.run(run, BaseJobConfiguration())
    assert (result.identifier, result.status_code) == (str(run.id), 0)
    await pool.becomes(run, "Completed")


@pytest.mark.prefect
async def test_the_whole_worker_opens_its_runtime_and_closes_it(pool: Pool) -> None:
    deployment = await pool.deploy("with_runtime")
    stop = asyncio.Event()
    working = asyncio.create_task(run_worker(pool.settings, stop, name="whole"))
    await pool.becomes(await pool.submit(deployment, "mark"), "Completed")
    beat = (await pool.store.workers.online())[0]
    assert beat.name == "whole"
    assert beat.device.startswith(("cpu", "cuda"))
    assert beat.details["models"] == []
    stop.set()
    await asyncio.wait_for(working, 60)
    assert (pool.folder / "mark").read_text() == str(pool.settings.data_dir)
    assert _holder.runtime is None


@pytest.mark.prefect
async def test_a_runtime_in_use_is_not_closed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.service.LET_GO_SECONDS", 0.1)
    closed: list[Runtime] = []
    monkeypatch.setattr(Runtime, "close", closed.append)
    deployment = await pool.deploy("waiting", queue=next(iter(QUEUES)))
    stop = asyncio.Event()
    settings = pool.settings.model_copy(update={"drain_seconds": 0.1})
    working = asyncio.create_task(run_worker(settings, stop))
    run = await pool.submit(deployment)

    async def runs() -> bool:
        return (pool.folder / "mark.running").exists()

    await eventually(runs)
    stop.set()
    await asyncio.wait_for(working, 60)
    assert closed == []
    await pool.becomes(run, "Scheduled")
    (pool.folder / "go").touch()


@dataclass
class _Recogniser:
    models: tuple[str, ...]
    loaded: list[str] = field(default_factory=list)

    def preload(self, model: str) -> None:
        if model not in self.models:
            raise ModelNotFound(f"There is no model {model}.")
        if model == "broken":
            raise ModelUnavailable("Its weights cannot be fetched.")
        self.loaded.append(model)


class _Registry:
    def __init__(self, **providers: Any) -> None:
        self.providers = providers

    def names(self) -> list[str]:
        return list(self.providers)

    def get(self, name: str) -> Any:
        return self.providers[name]


@dataclass
class _Runtime:
    settings: Settings
    registry: _Registry


@pytest.fixture
def whisper() -> Iterator[_Recogniser]:
    return _Recogniser(("tiny.en", "broken"))  # type: ignore[return-value]


def test_models_are_loaded_ahead_by_whoever_has_them(whisper: _Recogniser, settings: Settings) -> None:
    named = settings.model_copy(update={"preload_models": ["tiny.en", "broken", "none"]})
    runtime = _Runtime(named, _Registry(cloud=object(), other=_Recogniser(("x",)), whisper=whisper))
    with capture_logs() as lines:
        thread = preload(runtime)  # type: ignore[arg-type]
        assert thread is not None
        thread.join()
    assert whisper.loaded == ["tiny.en"]
    # Threads of other tests may still say that their Prefect has gone.
    warned = {line["model"]: line["reason"] for line in lines if line["log_level"] == "warning" and "model" in line}
    assert warned == {"broken": "Its weights cannot be fetched.", "none": "There is no model none."}


def test_without_models_to_load_there_is_no_thread(whisper: _Recogniser, settings: Settings) -> None:
    assert preload(_Runtime(settings, _Registry(whisper=whisper))) is None  # type: ignore[arg-type]


def test_a_service_has_a_name_and_an_id_of_its_own(settings: Settings) -> None:
    one, two = PoolService(settings), PoolService(settings)
    assert one.name
    assert one.worker_id != two.worker_id
