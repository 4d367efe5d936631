"""Diarizing: what was heard of an interrupted recording is not heard again, and goes once the whole is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audio.spool import Spool
from pipeline.diarize import diarize
from pipeline.recording import Recording
from pipeline.steps import KeptSteps, StepKey
from providers.diarizer import SpeakerBounds
from providers.fake_steps import FakeDiarizer
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.errors import StorageFull
from speech.options import DiarizationOptions
from storage.blobs import Blobs
from storage.steps import HEARD, HEARD_IN_PART
from tests.pipeline.conftest import Noting

PARTS = ("first", "second", "third")


class InParts(FakeDiarizer):
    """Hears in three parts, and is interrupted after so many new ones."""

    def __init__(self, patience: int = len(PARTS), weights: str = "d") -> None:
        super().__init__()
        self.patience, self.weights = patience, weights
        self.heard: list[str] = []

    def digest(self) -> str:
        return "sha256:" + self.weights * 64

    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        for part in PARTS:
            if watch.parts.recall(part) != part.encode():
                if len(self.heard) == self.patience:
                    raise KeyboardInterrupt
                self.heard.append(part)
                watch.parts.keep(part, part.encode())
        return super()._diarize(spool, bounds, watch)


@dataclass
class Job:
    """The steps of a job, as tasks hold them, and what it noted."""

    blobs: Blobs
    name: str = "one"
    noted: list[StepKey] = field(default_factory=list)
    fails: bool = False

    @property
    def steps(self) -> KeptSteps:
        return KeptSteps(self.blobs, self._note, own=self.name, release=self._release)

    @property
    def kept(self) -> list[str]:
        return sorted(key.step for key in set(self.noted) if self.blobs.exists(key.blob_key))

    def _note(self, key: StepKey) -> None:
        if self.fails and key.step == HEARD_IN_PART:
            raise StorageFull("no room")
        self.noted.append(key)

    def _release(self, step: str) -> None:
        if self.fails:
            raise StorageFull("no room")
        for key in self.noted:
            if key.step == step:
                self.blobs.delete(key.blob_key)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"), {})


def asked(**options: object) -> DiarizationOptions:
    return DiarizationOptions.model_validate({"enabled": True, **options})


def interrupted(recording: Recording, job: Job) -> None:
    with pytest.raises(KeyboardInterrupt):
        diarize(recording, asked(), InParts(patience=2), job.steps, Noting())
    assert job.kept == [HEARD_IN_PART] * 2


def test_who_takes_up_an_interrupted_recording_hears_the_rest(recording: Recording, blobs: Blobs) -> None:
    job = Job(blobs)
    interrupted(recording, job)
    again = InParts()
    assert diarize(recording, asked(num_speakers=3), again, job.steps, Noting()).speakers
    assert again.heard == ["third"]
    assert job.kept == [HEARD]


def test_the_parts_go_once_the_whole_is_known(recording: Recording, blobs: Blobs) -> None:
    job = Job(blobs)
    found = diarize(recording, asked(), InParts(), job.steps, Noting())
    assert found.voices == ()
    assert len(set(job.noted)) == 1 + len(PARTS)
    assert job.kept == [HEARD]
    assert diarize(recording, asked(), InParts(patience=0), job.steps, Noting()) == found


def test_they_go_too_where_another_job_made_the_whole(recording: Recording, blobs: Blobs) -> None:
    job, other = Job(blobs), Job(blobs, "two")
    interrupted(recording, job)
    diarize(recording, asked(), InParts(), other.steps, Noting())
    assert job.kept.count(HEARD_IN_PART) == 2  # nobody took them away
    diarize(recording, asked(), InParts(patience=0), job.steps, Noting())
    assert job.kept == [HEARD]


@pytest.mark.parametrize("other", ["job", "recording", "weights"])
def test_nobody_goes_on_from_the_parts_of_another(recording: Recording, blobs: Blobs, other: str) -> None:
    job = Job(blobs)
    interrupted(recording, job)
    if other == "recording":
        recording.sha256 = "f" * 64
    diarizer = InParts(weights="e" if other == "weights" else "d")
    diarize(recording, asked(), diarizer, (Job(blobs, "two") if other == "job" else job).steps, Noting())
    assert diarizer.heard == list(PARTS)


def test_storage_that_fails_costs_no_diarization(recording: Recording, blobs: Blobs) -> None:
    job = Job(blobs, fails=True)
    diarizer = InParts()
    assert diarize(recording, asked(), diarizer, job.steps, Noting()).speakers
    assert diarizer.heard == list(PARTS)
    assert job.kept == [HEARD]


def test_a_cancelled_job_keeps_nothing_more(recording: Recording, blobs: Blobs) -> None:
    job, observer = Job(blobs), Noting()

    class Cancelled(InParts):
        def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
            watch.parts.keep("first", b"first")
            observer.stop = True
            watch.parts.keep("second", b"second")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diarize(recording, asked(), Cancelled(), job.steps, observer)
    assert job.kept == [HEARD_IN_PART]
