"""Long recordings in parts: shared out once, recognised anywhere, put together by the job's own run."""

from __future__ import annotations

import errno
import json
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect import State

from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from flows.transcribe_part import transcribe_part
from providers.base import RecognitionOptions
from providers.diarizer import SpeakerBounds
from providers.role import StepWatch
from speech.clock import now
from speech.diarization import Diarization
from speech.errors import AttemptSuperseded, JobCancelled, ProviderUnavailable
from speech.jobs import Job, Stage
from speech.transcript import Recognition
from storage.parts import WatchedPart
from storage.workers import WorkerBeat
from tasks.observer import JobObserver
from tasks.parts import LOOK_AGAIN_SECONDS, idle_devices
from tests.flows.conftest import Bench, Diarizing, Scripted, failing, tries
from tests.flows.test_waiting import of_a_newer_version
from tests.providers.conftest import Decode, decode

__all__ = ["decode"]
pytestmark = pytest.mark.prefect
COPIES = 12


@pytest.fixture
def long(tmp_path: Path, jfk: Path, decode: Decode) -> Path:
    """Two minutes of speech: eleven seconds again and again."""
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.tile((decode(jfk) * 32767).astype("<i2"), COPIES).tobytes())
    return path


@pytest.fixture
def bench(bench: Bench) -> Iterator[Bench]:
    """Pieces of half a minute, parts from twenty seconds on, and two idle devices in the pool."""
    settings = bench.runtime.settings
    object.__setattr__(
        bench.runtime, "settings", settings.model_copy(update={"piece_seconds": 30.0, "parts_from_seconds": 40.0})
    )
    idle(bench, 2)
    return bench


def idle(bench: Bench, devices: int) -> None:
    """Let a worker's beat say so."""
    bench.runtime.wait(bench.runtime.store.workers.beat(_beat(bench.runtime.settings.work_pool, devices)))


def _beat(pool: str, devices: int, **more: Any) -> WorkerBeat:
    shown = [{"alive": True, "slots": 1, "calls": 0, "waiting": 0, **more} for _ in range(devices)]
    return WorkerBeat("other", "other", "there", pool, "cpu", 4, 1, now(), {"devices": shown})


def watched(bench: Bench) -> list[WatchedPart]:
    return bench.runtime.wait(bench.runtime.store.parts.watched())


def run_part(bench: Bench, job: Job, part: int) -> State[Any] | None:
    (file,) = job.files
    return bench.run_flow(
        transcribe_part, {"job_id": job.job_id, "submission": 1, "file_id": file.file_id, "part": part}
    )


@pytest.mark.parametrize("cache", ["use", "refresh"])
def test_a_long_recording_is_shared_out_and_put_together(bench: Bench, long: Path, cache: str) -> None:
    job = bench.submitted(file_ids=bench.stored(long), cache=cache)
    assert bench.run(job) is None
    assert bench.parting.wait_seconds == LOOK_AGAIN_SECONDS
    assert tries() == 1  # the language is known
    parts = watched(bench)
    assert [(part.part, part.ended, part.wanted) for part in parts] == [(0, False, True), (1, False, True)]
    assert bench.run(job) is None  # still at work
    assert bench.job(job).attempt == 1
    before = bench.job(job).progress
    for part in (1, 0):
        state = run_part(bench, job, part)
        assert state is not None
        assert state.is_completed(), state.message
    assert bench.job(job).progress > before
    assert all(part.ended for part in watched(bench))
    pieces = tries()
    assert pieces > 3
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    assert tries() == pieces  # nothing was recognised twice
    assert {language for _, language in Scripted.said} == {None, "it"}


def test_what_a_part_left_undone_the_job_does_itself(bench: Bench, long: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(long))
    assert bench.run(job) is None
    failing(*(ProviderUnavailable("Away.", "scripted") for _ in range(9)))
    state = run_part(bench, job, 0)
    assert state is not None
    assert state.is_failed()
    assert state.message == "provider_unavailable"
    failing()
    run_part(bench, job, 1)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()


def test_a_part_of_a_job_that_only_newer_workers_understand_is_left_to_the_jobs_own_run(
    bench: Bench, long: Path
) -> None:
    job = bench.submitted(file_ids=bench.stored(long))
    assert bench.run(job) is None
    of_a_newer_version(bench, job)
    before = tries()
    state = run_part(bench, job, 0)
    assert state is not None
    assert (state.is_failed(), state.message, tries()) == (True, "specification_unreadable", before)
    assert [part.ended for part in watched(bench)] == [True, False]


def test_a_part_that_nobody_waits_for_is_let_go_of(bench: Bench, long: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(long))
    assert bench.run(job) is None
    bench.runtime.wait(bench.runtime.store.attempts.begin(job.job_id, 1, "another-run"))
    before = tries()
    assert run_part(bench, job, 0) is None
    assert tries() == before
    assert [part.wanted for part in watched(bench)] == [False, False]


def test_a_cancelled_job_stops_its_parts(bench: Bench, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.submitted(file_ids=bench.stored(long))
    assert bench.run(job) is None
    recognise = Scripted._recognise

    def cancelled_meanwhile(self: Scripted, samples: Any, options: RecognitionOptions, watch: Any) -> Recognition:
        found = recognise(self, samples, options, watch)
        bench.runtime.wait(bench.runtime.store.jobs.request_cancel("default", job.job_id))
        return found

    monkeypatch.setattr("tasks.observer.SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(Scripted, "_recognise", cancelled_meanwhile)
    state = run_part(bench, job, 0)
    assert state is not None
    assert state.is_cancelled()
    assert watched(bench)[0].ended
    state = run_part(bench, job, 1)
    assert state is not None
    assert state.is_cancelled()


def test_without_idle_devices_nothing_is_shared_out(bench: Bench, long: Path) -> None:
    idle(bench, 1)
    state = bench.run(job := bench.submitted(file_ids=bench.stored(long)))
    assert state is not None
    assert state.is_completed()
    assert watched(bench) == []
    assert bench.job(job).attempt == 1


def test_a_language_that_was_given_needs_no_finding_out(bench: Bench, long: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(long), language="en")
    assert bench.run(job) is None
    assert tries() == 0
    assert len(watched(bench)) == 2


def test_waiting_for_parts_counts_as_the_jobs_time(bench: Bench, long: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(long), timeout=3600)
    assert bench.run(job) is None
    deadline = bench.runtime.wait(bench.runtime.store.parts.deadline(job.job_id, 1))
    assert deadline is not None
    assert 3500 < (deadline - now()).total_seconds() < 3600


def test_waiting_for_the_server_after_the_parts_does_not(
    bench: Bench, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.submitted(file_ids=bench.stored(long), timeout=3600)
    assert bench.run(job) is None
    for part in (0, 1):
        run_part(bench, job, part)

    def full(*given: Any, **named: Any) -> str:
        raise OSError(errno.ENOSPC, "Full")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("pipeline.spools.tempfile.mkdtemp", full)
        assert bench.run(job) is None
    assert bench.job(job).waiting_for == "storage_full"
    later = now() + timedelta(hours=2)
    monkeypatch.setattr("flows.attempt.now", lambda: later)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed(), bench.job(job).error


def test_which_devices_are_idle() -> None:
    assert idle_devices([_beat("pool", 3)], "pool") == 3
    assert idle_devices([_beat("pool", 3)], "other") == 0
    assert idle_devices([_beat("pool", 3, calls=1)], "pool") == 0
    assert idle_devices([_beat("pool", 2, slots=4, calls=1, waiting=1)], "pool") == 4
    assert idle_devices([_beat("pool", 2, alive=False)], "pool") == 0
    assert idle_devices([], "pool") == 0
    sick = replace(_beat("pool", 2), details={**_beat("pool", 2).details, "trouble": {"code": "storage_full"}})
    assert idle_devices([sick], "pool") == 0


def test_who_cannot_share_out_does_it_alone(bench: Bench, long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(bench.runtime.store.parts, "share_out", away)
    job = bench.submitted(file_ids=bench.stored(long))
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    assert bench.job(job).attempt == 1


def test_the_speakers_of_a_shared_out_recording_are_told_apart_once_over_the_whole(bench: Bench, long: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(long), diarization={"enabled": True, "provider": "fake_diarizer"})
    assert bench.run(job) is None
    assert Diarizing.tries == 1  # beside the parts, before the run waits for them
    for part in (0, 1):
        run_part(bench, job, part)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    assert Diarizing.tries == 1


def test_channels_by_themselves_are_not_shared_out_and_come_out(bench: Bench, long: Path, tmp_path: Path) -> None:
    with wave.open(str(long), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.stack([samples, np.roll(samples, 4 * SAMPLE_RATE)], axis=1).tobytes())
    job = bench.submitted(file_ids=bench.stored(path), channels="split")
    state = bench.run(job)
    assert state is not None
    assert state.is_completed(), state.message
    assert watched(bench) == []
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job(job.owner_id, job.job_id))
    stored = json.loads(bench.runtime.store.blobs.read(row.blob_key))
    assert {segment["channel"]: segment["speaker"] for segment in stored["segments"]} == {
        0: "SPEAKER_00",
        1: "SPEAKER_01",
    }
    assert [speaker["label"] for speaker in stored["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]


def test_a_superseded_run_that_waits_beside_its_parts_stops_its_diarizer(
    bench: Bench, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_out = threading.Event()

    def superseded(observer: JobObserver, stage: Stage, fraction: float) -> None:
        if shared_out.is_set() and stage is Stage.TRANSCRIBING:
            raise AttemptSuperseded("Another attempt has begun.")

    def endless(self: Diarizing, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        while not watch.cancelled():
            if watched(bench):
                shared_out.set()
            time.sleep(0.05)
        raise JobCancelled("The job was cancelled while its speakers were told apart.")

    monkeypatch.setattr(JobObserver, "progress", superseded)
    monkeypatch.setattr(Diarizing, "_diarize", endless)
    job = bench.submitted(file_ids=bench.stored(long), diarization={"enabled": True, "provider": "fake_diarizer"})
    assert bench.run(job) is None
    assert bench.parting.wait_seconds is None  # let go of: nobody is to run it again for this attempt
