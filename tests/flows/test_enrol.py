"""Enrolment by Prefect's engine: from a recording to a known voice, with ids alone in what Prefect keeps."""

from __future__ import annotations

import errno
import wave
from pathlib import Path
from typing import Any

import pytest

from flows.enrol import enrol
from pipeline.enrolment import Heard
from pipeline.identify import identify_for, space_of
from pipeline.observer import Observer, go_on
from providers.fake_steps import FakeVoiceModel
from providers.registry import Extra, Registry
from speech.diarization import Voice
from speech.errors import DeviceUnavailable, ModelUnavailable, StorageFull
from speech.speakers import SpeakerStatus, TakeStatus
from storage.blobs import BlobsUnusable
from storage.errors import DatabaseUnusable
from storage.ids import new_id
from storage.speakers import Speaker
from tasks.enrolment import TakeWork
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


def one_take(bench: Bench, path: Path) -> Speaker:
    store = bench.runtime.store.speakers
    return bench.runtime.wait(store.create("default", "Planted Name", bench.stored(path), speaker_id=new_id()))


def waits(bench: Bench, speaker: Speaker) -> float:
    """Have the take listened to, which waits; for how long."""
    (take,) = speaker.takes
    assert bench.run_flow(enrol, {"take_id": take.take_id}) is None
    (after,) = bench.runtime.wait(bench.runtime.store.speakers.get("default", speaker.speaker_id)).takes
    assert (after.status, after.error_code) == (TakeStatus.ENROLLING, None)
    assert not bench.parting.begun
    assert bench.runtime.wait(bench.runtime.store.takes.due()) == []
    return bench.parting.wait_seconds or 0.0


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(errno.ENOSPC, "Full"), "storage_full"),
        (BlobsUnusable("The bucket does not answer."), "blobs_unusable"),
        (DeviceUnavailable("No GPU.", "fake_diarizer"), "device_unavailable"),
        (DatabaseUnusable("It does not answer."), "database_unusable"),
        (ModelUnavailable("The hub is away."), None),
    ],
)
def test_what_is_the_servers_trouble_fails_no_take(
    voices: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, trouble: str | None
) -> None:
    def sick(*given: Any, **named: Any) -> Any:
        raise error

    speaker = one_take(voices, jfk)
    monkeypatch.setattr("storage.takes.MOST_TRIES", 1)  # the try must not count
    monkeypatch.setattr("flows.enrol.listen_to", plainly)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("tasks.enrolment.listen", sick)
        assert waits(voices, speaker) > 5
        assert voices.parting.trouble == trouble
    monkeypatch.setattr("tasks.enrolment.listen", lambda *given: Heard(11.0, (0.6, 0.8)))
    assert voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id}) is not None
    known = voices.runtime.wait(voices.runtime.store.speakers.get("default", speaker.speaker_id))
    assert known.status is SpeakerStatus.READY


def plainly(work: TakeWork) -> None:
    """Listen without further tries on the spot, which take seconds."""
    work.do()


def test_no_take_waits_for_ever(voices: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sick(*given: Any, **named: Any) -> Any:
        raise StorageFull("The disk is full.")

    runtime, speaker = voices.runtime, one_take(voices, jfk)
    object.__setattr__(runtime, "settings", runtime.settings.model_copy(update={"outage_wait_seconds": 15.0}))
    monkeypatch.setattr("flows.enrol.listen_to", plainly)
    monkeypatch.setattr("tasks.enrolment.listen", sick)
    assert waits(voices, speaker) < waits(voices, speaker) + 5
    state = voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id})
    assert state is not None
    assert state.message == "storage_full"
    (take,) = runtime.wait(runtime.store.speakers.get("default", speaker.speaker_id)).takes
    assert (take.status, take.error_code, take.error) == (TakeStatus.FAILED, "storage_full", "The disk is full.")


def test_a_worker_that_leaves_takes_no_try_of_the_take(
    voices: Bench, jfk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving(recording: object, model: object, voice_activity: object, observer: Observer) -> None:
        go_on(observer)

    speaker = one_take(voices, jfk)
    monkeypatch.setattr("storage.takes.MOST_TRIES", 1)
    monkeypatch.setattr("tasks.enrolment.asked_to_leave", lambda: True)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("tasks.enrolment.listen", leaving)
        assert voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id}) is None
    monkeypatch.setattr("tasks.enrolment.listen", lambda *given: Heard(11.0, (0.6, 0.8)))
    assert voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id}) is not None
    known = voices.runtime.wait(voices.runtime.store.speakers.get("default", speaker.speaker_id))
    assert known.status is SpeakerStatus.READY


def test_a_take_of_a_speaker_who_was_deleted_is_left_alone(voices: Bench, jfk: Path) -> None:
    speaker = enrolled(voices, jfk)
    voices.runtime.wait(voices.runtime.store.speakers.delete("default", speaker.speaker_id))
    state = voices.run_flow(enrol, {"take_id": speaker.takes[0].take_id})
    assert state is not None
    assert (state.is_cancelled(), state.message) == (True, "It was listened to, or is gone.")
