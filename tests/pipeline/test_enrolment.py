"""Takes: what cannot serve is told apart, and says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.limits import Limits
from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from audio.vad import VoiceActivity
from pipeline.enrolment import WINDOW_SECONDS, Heard, SeveralVoices, likeness_of_halves, listen, windows_of
from pipeline.observer import Unobserved
from pipeline.recording import Recording
from providers.fake_steps import FakeVoiceModel
from providers.role import StepWatch
from speech.errors import InvalidAudio
from speech.settings import Settings
from tests.pipeline.test_prepare import written


class Changing(FakeVoiceModel):
    """From the third stretch on, somebody else."""

    def embed(self, spool: Spool, watch: StepWatch | None = None) -> tuple[float, ...]:
        self.embeddings += 1
        return (1.0, 0.0) if self.embeddings <= 2 else (0.0, 1.0)


def heard(path: Path, tmp_path: Path, settings: Settings, model: FakeVoiceModel | None = None) -> Heard:
    limits = Limits.for_decoding(settings)
    recording = Recording("default", "file-1", path.name, "0" * 64, tmp_path, limits, bring=lambda folder: path)
    return listen(recording, model or FakeVoiceModel(), VoiceActivity.load(), Unobserved())


def test_real_speech_becomes_a_unit_vector(jfk: Path, tmp_path: Path, settings: Settings) -> None:
    found = heard(jfk, tmp_path, settings)
    assert found.duration == pytest.approx(11.0, abs=0.1)
    assert np.linalg.norm(found.vector) == pytest.approx(1.0)


@pytest.mark.parametrize(("seconds", "why"), [(1.0, "lasts 1.0 s"), (61.0, "lasts 61.0 s"), (3.0, "speaks in only")])
def test_what_cannot_serve_says_why(seconds: float, why: str, tmp_path: Path, settings: Settings) -> None:
    silence = written(tmp_path / "silence.wav", np.zeros(int(seconds * SAMPLE_RATE)))
    with pytest.raises(InvalidAudio, match=why):
        heard(silence, tmp_path, settings)


def test_a_change_of_voices_is_refused(jfk: Path, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(SeveralVoices):
        heard(jfk, tmp_path, settings, Changing())


def test_halves_of_a_take() -> None:
    rng = np.random.default_rng(1)
    here, there = np.eye(64)[0], np.eye(64)[1]

    def windows(*centres: np.ndarray) -> list[np.ndarray]:
        return [centre + rng.normal(0, 0.08, 64) for centre in centres]

    assert likeness_of_halves(windows(*[here] * 8)) > 0.6
    assert likeness_of_halves(windows(here, there, here, there, here, there)) < 0.2
    assert likeness_of_halves(windows(*[here] * 7, there)) > 0.6, "one window alone may be a cough"
    laugh = np.eye(64)[2]
    assert likeness_of_halves(windows(here, here, here, there, there, there, laugh)) < 0.2
    assert likeness_of_halves(windows(here, there, laugh)) == 1.0


@pytest.mark.parametrize(("seconds", "windows"), [(4.9, 0), (5.0, 4), (9.0, 4), (13.0, 5), (60.0, 8)])
def test_little_speech_is_heard_in_windows_that_overlap(seconds: float, windows: int) -> None:
    found = list(windows_of(np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32)))
    assert len(found) == windows
    assert all(window.size == int(WINDOW_SECONDS * SAMPLE_RATE) for window in found)
    assert not found or (found[0][0], found[-1][-1]) == (0, int(seconds * SAMPLE_RATE) - 1)
