"""Live servers at a device process: what their requests mean, and a real process with a real model."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from audio.samples import SAMPLE_RATE, Samples
from engine.asking import Asked
from engine.client import EngineClient
from engine.doors import doors
from engine.engine import Engine
from engine.errors import DeadlinePassed, EngineLost
from pipeline.runtime import Runtime
from providers.base import RecognitionOptions, Watch
from providers.fake import MODEL, Fake
from providers.registry import Registry
from speech.errors import JobCancelled, UnknownProvider, UnsupportedOption
from speech.options import TranscribeRequest
from speech.settings import Settings
from speech.transcript import Recognition
from tests.waiting import eventually
from tests.workers.conftest import Pool
from weights.store import WeightStore
from workers.device import DeviceProcess
from workers.devices import KeptDevice
from workers.door import Door, LiveHandler
from workers.service import PoolService

SECOND: Samples = np.sin(np.arange(SAMPLE_RATE, dtype=np.float32))
FAKE = {"provider": "fake", "model": MODEL, "language": "en"}


class OnDevice(Fake):
    """The fake, with a turn on the device before it speaks."""

    engine: Engine

    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition:
        with self.engine.slot(watch.cancelled):
            pass
        return super()._recognise(samples, options, watch)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = Engine.from_settings(settings.model_copy(update={"device": "cpu"}))
    yield engine
    engine.close()


@pytest.fixture
def handler(settings: Settings, engine: Engine) -> LiveHandler:
    def made(context: Any) -> OnDevice:
        fake = OnDevice(context)
        fake.engine = engine
        return fake

    return LiveHandler(Registry(settings, WeightStore(settings.models), engine, extra={"fake": made}))


def _asked(options: dict[str, Any], deadline: float = np.inf, cancelled: threading.Event | None = None) -> Asked:
    return Asked("anna", options, SECOND, deadline, True, (cancelled or threading.Event()).is_set)


def test_a_request_is_recognised_with_its_options(handler: LiveHandler) -> None:
    words = handler(_asked(FAKE | {"parameters": {"words": ["hello"]}}))
    assert [segment.text for segment in words.segments] == ["hello hello"]


@pytest.mark.parametrize(
    ("options", "error", "field"),
    [
        ({"urls": ["https://example.com/a.mp3"]}, UnsupportedOption, "urls"),
        ({"diarization": {"enabled": True}}, UnsupportedOption, "diarization"),
        ({"sing": True}, UnsupportedOption, "sing"),
        ({"language": 3}, UnsupportedOption, "language"),
        ({"provider": "nobody"}, UnknownProvider, "provider"),
        (FAKE | {"parameters": {"loud": 1}}, UnsupportedOption, "parameters.loud"),
        (FAKE | {"language": "xx"}, UnsupportedOption, "language"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    handler: LiveHandler, options: dict[str, Any], error: type[UnsupportedOption], field: str
) -> None:
    with pytest.raises(error) as caught:
        handler(_asked(options))
    assert caught.value.field == field


def test_it_does_not_wait_past_its_deadline_nor_for_nobody(handler: LiveHandler, engine: Engine) -> None:
    failures: list[BaseException] = []

    def work(asked: Asked) -> None:
        try:
            handler(asked)
        except (DeadlinePassed, JobCancelled) as failure:
            failures.append(failure)

    unwanted = threading.Event()
    with engine.slot():
        late = threading.Thread(target=work, args=(_asked(FAKE, time.monotonic() + 0.2),))
        dropped = threading.Thread(target=work, args=(_asked(FAKE, time.monotonic() + 600, unwanted),))
        late.start()
        late.join(30)
        dropped.start()
        unwanted.set()
        dropped.join(30)
    assert [type(failure) for failure in failures] == [DeadlinePassed, JobCancelled]


def test_a_process_whose_folder_takes_no_socket_goes_on_without_one(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    runtime = Runtime.open(settings.model_copy(update={"run_dir": tmp_path / "file"}))
    try:
        with capture_logs() as lines:
            assert Door.open(runtime) is None
        assert [line["log_level"] for line in lines] == ["warning"]
        assert "file" in lines[0]["reason"]
    finally:
        runtime.close()


def test_a_door_that_nobody_wants(settings: Settings) -> None:
    runtime = Runtime.open(settings.model_copy(update={"engine_connections": 0}))
    assert Door.open(runtime) is None
    assert not settings.run.exists()
    runtime.close()


@pytest.fixture
def real(settings: Settings) -> Settings:
    """Settings of a device process with tiny.en on the CPU; Prefect is not asked by it unless runs come."""
    return settings.model_copy(
        update={"device": "cpu", "offline": True, "prefect_api_url": "http://127.0.0.1:9/api", "cpu_threads": 1}
    )


@asynccontextmanager
async def _process(settings: Settings) -> AsyncIterator[DeviceProcess]:
    process = await DeviceProcess.start(settings)
    try:
        yield process
    finally:
        await process.close()


def _samples(path: Path, seconds: float) -> Samples:
    from faster_whisper import decode_audio

    return np.asarray(decode_audio(str(path)), dtype=np.float32)[: int(seconds * SAMPLE_RATE)]


ENGLISH = TranscribeRequest(model="tiny.en", language="en")


@pytest.mark.models
async def test_two_device_processes_on_one_host_listen_each_for_itself(real: Settings, jfk: Path) -> None:
    async with _process(real) as one, _process(real) as two:
        assert one.socket is not None
        assert two.socket is not None
        assert one.socket != two.socket
        async with EngineClient.connect(one.socket) as first, EngineClient.connect(two.socket) as second:
            samples = _samples(jfk, 4.0)
            heard, alike = await asyncio.gather(*(each.recognise(samples, ENGLISH) for each in (first, second)))
        assert heard == alike
        assert "fellow americans" in " ".join(segment.text for segment in heard.segments).lower()
        assert heard.segments[0].words
        folder = Path(one.socket).parent
        assert len(list(folder.glob("*.sock"))) == 2
    assert list(folder.glob("*.sock")) == []


@pytest.mark.models
async def test_a_killed_process_fails_what_was_under_way_and_the_next_one_tidies_up(real: Settings, jfk: Path) -> None:
    device = KeptDevice(real)
    await device.open()
    try:
        first = device.process
        assert first is not None
        assert first.socket is not None
        async with EngineClient.connect(first.socket) as engine:
            os.kill(first.process.pid, signal.SIGSTOP)  # so that it does not answer before it is killed
            task = asyncio.create_task(engine.recognise(_samples(jfk, 11.0), ENGLISH))

            async def asked() -> bool:
                return bool(engine._waiting)

            await eventually(asked)
            os.kill(first.process.pid, signal.SIGKILL)
            with pytest.raises(EngineLost) as caught:
                await task
            assert caught.value.retryable
            assert not engine.alive

        async def back() -> str | None:
            process = device.process
            return process.socket if process is not first and process is not None else None

        again = await eventually(back)
        assert again != first.socket
        assert [str(path) for path in Path(again).parent.glob("*.sock")] == [again]
        async with EngineClient.connect(again) as engine:
            assert (await engine.recognise(_samples(jfk, 4.0), ENGLISH)).segments
    finally:
        await device.close()


@pytest.mark.models
async def test_a_process_that_cannot_listen_takes_jobs_all_the_same(real: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with _process(real.model_copy(update={"run_dir": tmp_path / "file"})) as process:
        assert (process.alive, process.socket) == (True, None)


async def _listens(pool: Pool, worker: PoolService) -> str:
    """Where the worker's device listens, as its beats tell whoever looks for an engine here."""

    async def told() -> str | None:
        found = doors(await pool.store.workers.online(), os.uname().nodename)
        return str(found[0].path) if found else None

    return await eventually(told)


async def _waiting(worker: PoolService, count: int) -> None:
    async def so() -> bool:
        return worker.devices.devices[0].pulse.waiting == count

    await eventually(so)


@pytest.mark.models
@pytest.mark.prefect
@pytest.mark.slow
async def test_live_requests_overtake_jobs_that_wait_for_the_device(
    pool: Pool, real: Settings, jfk: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "audio.npy", _samples(jfk, 11.0))
    held, job = await pool.deploy("holding"), await pool.deploy("recognising")
    changes = {name: getattr(real, name) for name in ("device", "offline", "models_dir", "cpu_threads")}
    async with pool.worker(**changes, worker_slots=4, preload_models=["tiny.en"]) as worker:
        async with EngineClient.connect(await _listens(pool, worker)) as engine:
            samples = _samples(jfk, 4.0)
            assert (await engine.recognise(samples, ENGLISH)).segments  # the model is loaded from here on
            await pool.submit(held, "holder")
            await pool.marked("holder.running", 1)
            runs = [await pool.submit(job, name) for name in ("one", "two")]
            await _waiting(worker, 2)

            began = time.monotonic()
            with pytest.raises(DeadlinePassed):
                await engine.recognise(samples, ENGLISH, deadline=0.3)
            assert 0.3 <= time.monotonic() - began < 5

            unwanted = asyncio.create_task(engine.recognise(samples, ENGLISH))
            await _waiting(worker, 3)
            unwanted.cancel()
            await _waiting(worker, 2)

            live = asyncio.create_task(engine.recognise(samples, ENGLISH))
            await _waiting(worker, 3)
            (pool.folder / "go").touch()
            assert (await live).segments
            done = time.monotonic()
            for run in runs:
                await pool.becomes(run, "Completed")
        assert done < min(float((pool.folder / name).read_text()) for name in ("one", "two"))
