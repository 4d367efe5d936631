"""What followers of a job hear while its flow runs, and what a retried job does again."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from speech.codec import from_json, segments_to_json
from speech.errors import ProviderRejected
from speech.jobs import FileStatus, Job, JobStatus
from speech.settings import Settings
from storage.projection import Projection
from tests.flows.conftest import Bench, failing, tries
from weights.store import WeightStore

pytestmark = pytest.mark.prefect


def log(bench: Bench, job: Job) -> list[tuple[str, Any]]:
    entries = bench.runtime.wait(bench.runtime.store.events.after(job.job_id, 0, 1000))
    return [(str(entry.kind), json.loads(entry.data)) for entry in entries]


def project(bench: Bench, job: Job, submission: int, status: JobStatus) -> None:
    """Do what control does when a run has ended."""
    bench.runtime.wait(bench.runtime.store.jobs.project(job.job_id, submission, Projection(status)))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"piece_seconds": 30.0})


@pytest.fixture
def long_talk(jfk: Path, tmp_path: Path) -> Path:
    """Thirty-six seconds of speech, of which two pieces are made."""
    with av.open(str(jfk)) as source:
        heard = [frame.to_ndarray().reshape(-1) for frame in source.decode(audio=0)]
        rate = source.streams.audio[0].rate
    samples = np.concatenate([*heard, np.zeros(rate, heard[0].dtype)]).astype(np.int16)
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.tile(samples, 3).tobytes())
    return path


@pytest.mark.models
def test_words_arrive_piece_by_piece_while_the_job_runs(bench: Bench, long_talk: Path, models_dir: Path) -> None:
    WeightStore(models_dir).path("tiny.en")
    file_ids = bench.stored(long_talk)
    job = bench.submitted(provider="faster_whisper", model="tiny.en", language="en", file_ids=file_ids)
    bench.run(job)
    project(bench, job, 1, JobStatus.COMPLETED)
    told = log(bench, job)
    pieces = [index for index, (kind, _) in enumerate(told) if kind == "segment"]
    assert [told[index][1]["piece"] for index in pieces] == [0, 1]
    between = [said for kind, said in told[pieces[0] : pieces[1]] if kind == "progress"]
    assert between[-1]["stage"] == "transcribing"
    assert 5 < between[-1]["progress"] < 95
    assert "country can do for you" in " ".join(segment["text"] for segment in told[pieces[0]][1]["segments"])
    (row,) = bench.runtime.wait(bench.runtime.store.transcripts.of_job("default", job.job_id))
    transcript = from_json(json.loads(bench.runtime.store.blobs.read(row.blob_key)))
    heard = [segment for index in pieces for segment in told[index][1]["segments"]]
    whole = segments_to_json(transcript.segments)
    assert [segment | {"id": None} for segment in heard] == [segment | {"id": None} for segment in whole]
    assert [kind for kind, _ in told][-1] == "completed"


def test_a_retry_runs_the_failed_file_alone_and_says_no_word_twice(bench: Bench, jfk: Path, clips: list[Any]) -> None:
    job = bench.submitted(file_ids=bench.stored(jfk, clips[1].path))
    failing(ProviderRejected("no", "scripted"))
    bench.run(job)
    project(bench, job, 1, JobStatus.COMPLETED)
    assert [file.status for file in bench.job(job).files] == [FileStatus.FAILED, FileStatus.COMPLETED]
    before = tries()
    bench.runtime.wait(bench.runtime.store.jobs.retry("default", job.job_id, max_unfinished=10))
    assert bench.run(job, submission=1) is None
    assert tries() == before
    state = bench.run(job, submission=2)
    assert state is not None
    assert state.is_completed()
    project(bench, job, 2, JobStatus.COMPLETED)
    assert [file.status for file in bench.job(job).files] == [FileStatus.COMPLETED] * 2
    assert (tries() - before, bench.job(job).attempt) == (1, 2)
    words = [said["file_id"] for kind, said in log(bench, job) if kind == "segment"]
    assert sorted(words) == sorted(file.file_id for file in job.files)
    assert [kind for kind, _ in log(bench, job)].count("completed") == 1
