"""Enrolment by Prefect's engine: from a recording to a known voice, with ids alone in what Prefect keeps."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from flows.enrol import enrol
from pipeline.identify import identify_for, space_of
from providers.fake_steps import FakeVoiceModel
from providers.registry import Extra, Registry
from speech.diarization import Voice
from speech.speakers import SpeakerStatus
from storage.ids import new_id
from storage.speakers import Speaker
from tests.flows.conftest import Bench

pytestmark = pytest.mark.prefect


@pytest.fixture
def voices(bench: Bench) -> Bench:
    """The bench, with a scripted model of voices."""
    runtime = bench.runtime
    extra = Extra(voices={"fake_diarizer": FakeVoiceModel})
    registry = Registry(runtime.settings, runtime.weights, runtime.engine, steps=extra)
    object.__setattr__(runtime, "registry", registry)
    return bench


def enrolled(bench: Bench, *paths: Path) -> Speaker:
    store = bench.runtime.store.speakers
    made = bench.runtime.wait(store.create("default", "Planted Name", bench.stored(*paths), speaker_id=new_id()))
    for take in made.takes:
        state = bench.run_flow(enrol, {"take_id": take.take_id})
        assert state is not None
        assert "Planted" not in state.model_dump_json()
    return bench.runtime.wait(store.get("default", made.speaker_id))


def test_a_take_becomes_a_voice_that_is_known_again(voices: Bench, jfk: Path) -> None:
    speaker = enrolled(voices, jfk)
    assert speaker.status is SpeakerStatus.READY
    assert speaker.takes[0].duration == pytest.approx(11.0, abs=0.1)
    runtime, model = voices.runtime, voices.runtime.registry.voice_model()
    (known,) = runtime.wait(runtime.store.takes.voices("default", space_of(model)))
    found = identify_for(runtime, "default", model, [Voice("SPEAKER_00", known.vectors[0], 9.0)])
    assert (found["SPEAKER_00"].name, found["SPEAKER_00"].score) == ("Planted Name", 1.0)
    assert identify_for(runtime, "other", model, [Voice("SPEAKER_00", known.vectors[0], 9.0)]) == {}


def test_a_take_that_cannot_serve_says_why_to_its_owner_alone(voices: Bench, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3 * 32_000))
    speaker = enrolled(voices, silence)
    assert speaker.status is SpeakerStatus.FAILED
    assert speaker.takes[0].error_code == "invalid_audio"
    assert "speaks in only" in (speaker.takes[0].error or "")


def test_a_take_of_a_speaker_who_was_deleted_is_left_alone(voices: Bench, jfk: Path) -> None:
    speaker = enrolled(voices, jfk)
    voices.runtime.wait(voices.runtime.store.speakers.delete("default", speaker.speaker_id))
    state = voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id})
    assert state is not None
    assert (state.is_cancelled(), state.message) == (True, "It was listened to, or is gone.")
