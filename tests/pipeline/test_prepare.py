"""Preparing: real speech is found and cut, silence gives nothing, and without VAD nothing is left out."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.limits import Limits
from audio.pieces import Piece
from audio.spans import Span
from audio.vad import VoiceActivity
from pipeline.prepare import Prepared, everything, prepare
from pipeline.recording import Recording
from pipeline.steps import KeptSteps, NoSteps, StepKey
from speech.errors import InvalidAudio
from speech.jobs import Stage
from speech.options import VadOptions
from storage.blobs import Blobs
from tests.pipeline.conftest import Noting


def written(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def prepared(recording: Recording, voice: VoiceActivity, seconds: float = 300, **vad: object) -> Prepared:
    return prepare(recording, VadOptions.model_validate(vad), seconds, voice, NoSteps(), Noting())


def test_speech_is_one_piece_within_the_recording(recording: Recording, voice_activity: VoiceActivity) -> None:
    found = prepared(recording, voice_activity)
    assert found.duration == 11.0
    assert len(found.pieces) == 1
    assert 8 < found.speech_seconds <= 11
    assert found.quality.speech_ratio is not None
    assert found.quality.speech_ratio > 0.6


def test_a_long_recording_is_cut_at_silences(recording: Recording, voice_activity: VoiceActivity) -> None:
    found = prepared(recording, voice_activity, seconds=4)
    assert len(found.pieces) >= 3
    assert all(piece.speech_seconds <= 4 for piece in found.pieces)


def test_without_vad_nothing_is_left_out(recording: Recording, voice_activity: VoiceActivity) -> None:
    found = prepared(recording, voice_activity, seconds=4, enabled=False)
    assert len(found.pieces) >= 3
    assert (found.pieces[0].start, found.pieces[-1].end) == (0.0, 11.0)
    assert found.speech_seconds == pytest.approx(11.0)


@pytest.mark.parametrize("enabled", [True, False])
def test_silence(tmp_path: Path, limits: Limits, voice_activity: VoiceActivity, enabled: bool) -> None:
    source = written(tmp_path / "silence.wav", np.zeros(3 * 16_000))
    silence = Recording("anna", "f", "silence.wav", "b" * 64, tmp_path, limits, lambda folder: source)
    found = prepared(silence, voice_activity, enabled=enabled)
    assert found.duration == 3.0
    assert found.quality.speech_ratio == 0.0
    assert found.speech_seconds == (0.0 if enabled else 3.0)


def test_the_second_time_nothing_is_decoded(
    recording: Recording, voice_activity: VoiceActivity, tmp_path: Path, limits: Limits
) -> None:
    def never(folder: Path) -> Path:
        raise AssertionError("the bytes were fetched again")

    noted: list[StepKey] = []
    steps = KeptSteps(Blobs(str(tmp_path / "blobs"), {}), noted.append)
    first = prepare(recording, VadOptions(), 300, voice_activity, steps, Noting())
    again = Recording("anna", "file-1", "jfk.flac", "a" * 64, tmp_path, limits, never)
    assert prepare(again, VadOptions(), 300, voice_activity, steps, Noting()) == first
    with pytest.raises(AssertionError, match="again"):
        prepare(again, VadOptions(threshold=0.6), 300, voice_activity, steps, Noting())


def test_what_is_no_audio_is_refused_with_a_sentence(
    tmp_path: Path, limits: Limits, voice_activity: VoiceActivity
) -> None:
    source = tmp_path / "letter.txt"
    source.write_text("Dear Sir or Madam," * 100)
    letter = Recording("anna", "f", "letter.txt", "c" * 64, tmp_path, limits, lambda folder: source)
    with pytest.raises(InvalidAudio) as refused:
        prepared(letter, voice_activity)
    assert refused.value.message.endswith(".")


def test_the_observer_hears_of_the_stage(recording: Recording, voice_activity: VoiceActivity, observer: Noting) -> None:
    prepare(recording, VadOptions(), 300, voice_activity, NoSteps(), observer)
    assert {stage for stage, _ in observer.told} == {Stage.PREPARING}


@given(
    st.lists(st.floats(0.01, 50), min_size=0, max_size=20),
    st.floats(0, 5),
)
def test_everything_covers_the_recording_without_overlap(lengths: list[float], rest: float) -> None:
    pieces, position = [], 0.0
    for index, length in enumerate(lengths):
        pieces.append(Piece(index, (Span(position + length / 3, position + length),)))
        position += length
    duration = position + rest
    whole = everything(pieces, duration)
    if duration <= 0:
        assert whole == ()
        return
    assert whole[0].start == 0.0
    assert whole[-1].end == duration
    assert all(before.end == after.start for before, after in pairwise(whole))
    assert len(whole) == max(1, len(pieces))
