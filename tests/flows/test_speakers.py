"""Jobs that ask who speaks: the diarizer works beside the recogniser, and fails, stops and resumes like any step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from audio.spool import Spool
from providers.diarizer import SpeakerBounds
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.errors import AttemptSuperseded, JobCancelled, ProviderRejected, ProviderUnavailable
from speech.jobs import Job, Stage
from tasks.observer import JobObserver
from tests.flows.conftest import Bench, Diarizing, failing, tries

pytestmark = pytest.mark.prefect

WHO = {"enabled": True, "provider": "fake_diarizer", "num_speakers": 3}


def result(bench: Bench, job: Job) -> dict[str, Any]:
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job("default", job.job_id))
    document: dict[str, Any] = json.loads(bench.runtime.store.blobs.read(row.blob_key))
    return document


def test_words_have_speakers_and_the_file_says_who_spoke_when(bench: Bench, jfk: Path) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk), output_formats=["json", "rttm"], diarization=WHO)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    found = result(bench, job)
    assert [word["speaker"] for segment in found["segments"] for word in segment["words"]] == ["SPEAKER_01"]
    assert [speaker["label"] for speaker in found["speakers"]] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
    assert found["turns"][1] == {"start": 2.0, "end": 4.0, "speaker": "SPEAKER_01"}
    assert found["stages"].keys() >= {"diarize", "transcribe"}
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job("default", job.job_id))
    rttm = bench.runtime.store.blobs.read(f"{row.blob_key.rsplit('/', 1)[0]}/rendered/rttm").decode()
    assert rttm.splitlines()[1] == "SPEAKER jfk 1 2.000 2.000 <NA> <NA> SPEAKER_01 <NA> <NA>"


def test_voices_are_not_kept_where_nobody_asked_for_names(bench: Bench, jfk: Path) -> None:
    bench.run(bench.submitted(file_ids=bench.stored(jfk), diarization=WHO))
    kept = [path for path in bench.runtime.settings.data_dir.rglob("*") if path.name.startswith("diarize-")]
    assert [json.loads(path.read_bytes())["voices"] for path in kept] == [[]]


def test_a_diarizer_that_fails_for_a_moment_is_asked_again_alone(bench: Bench, jfk: Path) -> None:
    Diarizing.errors = [ProviderUnavailable("busy", "fake_diarizer")]
    job = bench.submitted(file_ids=bench.stored(jfk), diarization=WHO)
    state = bench.run(job)
    assert state is not None
    assert state.is_completed()
    assert (Diarizing.tries, tries()) == (2, 1)


def test_without_speakers_a_file_that_asked_for_them_fails(bench: Bench, jfk: Path) -> None:
    Diarizing.errors = [ProviderRejected("The diarizer does not take this.", "fake_diarizer")]
    job = bench.submitted(file_ids=bench.stored(jfk), diarization=WHO)
    state = bench.run(job)
    assert state is not None
    assert (state.is_failed(), state.message) == (True, "provider_rejected")
    assert bench.job(job).error == "The diarizer does not take this."
    again = bench.run(job)
    assert again is not None
    assert again.is_completed()
    assert tries() == 1  # what was recognised is not recognised again


def test_when_recognition_fails_its_error_is_the_files(bench: Bench, jfk: Path) -> None:
    failing(ProviderRejected("The provider does not take this.", "scripted"))
    job = bench.submitted(file_ids=bench.stored(jfk), diarization=WHO)
    bench.run(job)
    assert bench.job(job).error == "The provider does not take this."


def test_a_cancelled_job_stops_its_diarizer(bench: Bench, jfk: Path) -> None:
    Diarizing.errors = [JobCancelled("The job was cancelled while its speakers were told apart.")]
    job = bench.submitted(file_ids=bench.stored(jfk), diarization=WHO)
    state = bench.run(job)
    assert state is not None
    assert state.is_cancelled()
    assert tries() <= 1


def test_a_superseded_run_stops_its_diarizer(bench: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = JobObserver.progress

    def superseded(observer: JobObserver, stage: Stage, fraction: float) -> None:
        if stage is Stage.DIARIZING:
            raise AttemptSuperseded("Another attempt has begun.")
        told(observer, stage, fraction)

    def endless(self: Diarizing, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        while not watch.cancelled():
            time.sleep(0.02)
        raise JobCancelled("The job was cancelled while its speakers were told apart.")

    monkeypatch.setattr(JobObserver, "progress", superseded)
    monkeypatch.setattr(Diarizing, "_diarize", endless)
    job = bench.submitted(file_ids=bench.stored(jfk), diarization=WHO)
    assert bench.run(job) is None  # let go of
