"""Diarizing: what was heard of an interrupted recording is not heard again, and goes once the whole is known."""

from __future__ import annotations

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
from speech.options import DiarizationOptions
from storage.blobs import Blobs
from storage.speakers import HEARD
from tests.pipeline.conftest import Noting

PARTS = ("first", "second", "third")


class InParts(FakeDiarizer):
    """Hears in three parts, and is interrupted after so many new ones."""

    def __init__(self, patience: int = len(PARTS)) -> None:
        super().__init__()
        self.patience = patience
        self.heard: list[str] = []

    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        for part in PARTS:
            if watch.parts.recall(part) != part.encode():
                if len(self.heard) == self.patience:
                    raise KeyboardInterrupt
                self.heard.append(part)
                watch.parts.keep(part, part.encode())
        return super()._diarize(spool, bounds, watch)


@pytest.fixture
def noted() -> list[StepKey]:
    return []


@pytest.fixture
def steps(tmp_path: Path, noted: list[StepKey]) -> KeptSteps:
    return KeptSteps(Blobs(str(tmp_path / "blobs"), {}), noted.append)


def asked(**options: object) -> DiarizationOptions:
    return DiarizationOptions.model_validate({"enabled": True, **options})


def test_who_takes_up_an_interrupted_recording_hears_the_rest(recording: Recording, steps: KeptSteps) -> None:
    with pytest.raises(KeyboardInterrupt):
        diarize(recording, asked(), InParts(patience=2), steps, Noting())
    again = InParts()
    assert diarize(recording, asked(num_speakers=3), again, steps, Noting()).speakers
    assert again.heard == ["third"]


def test_the_parts_go_once_the_whole_is_known(recording: Recording, steps: KeptSteps, noted: list[StepKey]) -> None:
    found = diarize(recording, asked(), InParts(), steps, Noting())
    assert found.voices == ()
    assert {key.step for key in noted} == {HEARD}  # as the deletion of speakers knows them
    assert len(set(noted)) == 1 + len(PARTS)
    assert [key for key in set(noted) if steps.blobs.exists(key.blob_key)] == noted[:1]
    idle = InParts(patience=0)
    assert diarize(recording, asked(), idle, steps, Noting()) == found


def test_another_recording_has_parts_of_its_own(recording: Recording, steps: KeptSteps) -> None:
    with pytest.raises(KeyboardInterrupt):
        diarize(recording, asked(), InParts(patience=2), steps, Noting())
    recording.sha256 = "f" * 64
    other = InParts()
    diarize(recording, asked(), other, steps, Noting())
    assert other.heard == list(PARTS)
