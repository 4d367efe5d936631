"""Recordings of every kind with every step switched on, by the real providers."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE
from pipeline.evaluation.speakers import words_without_speaker
from pipeline.local import transcribe_file
from pipeline.runtime import Runtime
from speech.errors import InvalidAudio, TextMismatch
from speech.options import TranscribeRequest
from speech.settings import Settings
from speech.transcript import Transcript

pytestmark = [pytest.mark.models, pytest.mark.slow]

ON: dict[str, Any] = {
    "model": "tiny.en",
    "language": "en",
    "diarization": {"enabled": True},
    "alignment": {"enabled": True},
    "punctuation": {"enabled": True},
}
SEED = 20261128


@pytest.fixture(scope="module")
def runtime(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One process with all networks."""
    folder = tmp_path_factory.mktemp("data")
    made = Runtime.open(
        Settings(_env_file=None, data_dir=folder, models_dir=models_dir, device="cpu")  # type: ignore[call-arg]
    )
    yield made
    made.close()


def written(path: Path, samples: NDArray[np.float64]) -> Path:
    """A WAV file of the samples, in [-1, 1], shape (frames, channels) or (frames,)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def heard(runtime: Runtime, path: Path, **changes: Any) -> Transcript:
    return transcribe_file(runtime, path, TranscribeRequest.model_validate(ON | changes))


@pytest.fixture(scope="module")
def speech(jfk: Path) -> NDArray[np.float64]:
    """Eleven seconds of one speaker."""
    from faster_whisper import decode_audio

    return np.asarray(decode_audio(str(jfk)), dtype=np.float64)


def test_one_speaker_has_all_the_words(runtime: Runtime, jfk: Path) -> None:
    found = heard(runtime, jfk)
    assert [speaker.label for speaker in found.speakers] == ["SPEAKER_00"]
    assert words_without_speaker(found) == 0
    assert "ask not" in found.text
    assert found.stages.keys() >= {"prepare", "transcribe", "diarize", "align", "punctuate"}


@pytest.mark.parametrize("seconds", [0.05, 1.0, 12.0])
@pytest.mark.parametrize("level", [0.0, 0.05], ids=["silence", "noise"])
def test_nobody_speaks(runtime: Runtime, tmp_path: Path, seconds: float, level: float) -> None:
    noise = np.random.default_rng(SEED).normal(size=round(seconds * SAMPLE_RATE))
    found = heard(runtime, written(tmp_path / "quiet.wav", np.clip(noise * level, -1, 1)))
    assert (found.text, found.segments, found.speakers) == ("", (), ())


def test_a_second_of_speech(runtime: Runtime, tmp_path: Path, speech: NDArray[np.float64]) -> None:
    found = heard(runtime, written(tmp_path / "short.wav", speech[3 * SAMPLE_RATE : 4 * SAMPLE_RATE]))
    assert words_without_speaker(found) == 0
    assert all(word.end <= found.duration for word in found.words)


def test_a_file_without_samples_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(InvalidAudio):
        heard(runtime, written(tmp_path / "empty.wav", np.zeros(0)))


def test_eight_channels_each_by_itself(runtime: Runtime, tmp_path: Path, speech: NDArray[np.float64]) -> None:
    channels = np.zeros((speech.size, 8))
    channels[:, 2] = speech
    channels[:, 5] = np.roll(speech, SAMPLE_RATE) * 0.5
    path = written(tmp_path / "eight.wav", channels)
    found = heard(runtime, path, channels="split", diarization={"enabled": False})
    assert {segment.channel for segment in found.segments} == {2, 5}
    assert words_without_speaker(found) == 0
    assert all(len(one.words) > 0 for one in found.segments)


def test_a_text_that_was_not_spoken_is_a_clear_error(runtime: Runtime, jfk: Path) -> None:
    text = "Fourscore and seven years ago our fathers brought forth, upon this continent, a new nation."
    with pytest.raises(TextMismatch) as caught:
        heard(runtime, jfk, script=text)
    assert "Fourscore" not in caught.value.message


def test_a_text_of_ones_own_keeps_its_writing(runtime: Runtime, jfk: Path) -> None:
    text = (
        "And so, my fellow AMERICANS: ask NOT what your country can do for you, ask what you can do for your country!"
    )
    found = heard(runtime, jfk, script=text, punctuation={"enabled": False})
    assert found.text == text
    assert all(before.end <= after.start for before, after in zip(found.words, found.words[1:], strict=False))
