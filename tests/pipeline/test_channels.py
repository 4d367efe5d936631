"""Channels: each recognised by itself, on one time line, with a speaker each; the same sound once."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from numpy.typing import NDArray

from audio.limits import Limits
from audio.vad import VoiceActivity
from pipeline.assemble import assemble, laid_out
from pipeline.local import transcribe_file
from pipeline.prepare import Prepared, prepare
from pipeline.recognise import Recognising
from pipeline.recording import Recording
from pipeline.runtime import Runtime
from pipeline.steps import KeptSteps, NoSteps
from providers.base import RecognitionOptions
from speech.errors import InvalidAudio
from speech.options import TranscribeRequest, VadOptions
from speech.settings import Settings
from speech.transcript import Transcript
from storage.blobs import Blobs
from tests.conftest import Clip
from tests.pipeline.conftest import Counting, Noting

RATE = 16_000
OPTIONS = RecognitionOptions(model="one")


def written(path: Path, *channels: NDArray[np.float32]) -> Path:
    longest = max(len(channel) for channel in channels)
    padded = [np.pad(channel, (0, longest - len(channel))) for channel in channels]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.stack(padded, axis=1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def jfk_samples(jfk: Path) -> NDArray[np.float32]:
    return np.asarray(decode_audio(str(jfk)), dtype=np.float32)


class Desk:
    """Prepares and recognises files of a few channels."""

    def __init__(self, folder: Path, limits: Limits, voice: VoiceActivity) -> None:
        self.folder, self.limits, self.voice = folder, limits, voice
        self.counting = Counting()

    def recording(self, source: Path, channels: str) -> Recording:
        return Recording("anna", "f", source.name, "d" * 64, self.folder, self.limits, lambda _: source, channels)

    def prepared(self, recording: Recording) -> Prepared:
        return prepare(recording, VadOptions(), 300, self.voice, NoSteps(), Noting())

    def transcribed(self, source: Path, channels: str) -> Transcript:
        recording = self.recording(source, channels)
        found = self.prepared(recording)
        heard = Recognising(recording, found, self.counting, NoSteps(), Noting(), guarding=False).all(OPTIONS)
        return assemble(recording, found, heard, laid_out(found, heard))


@pytest.fixture
def desk(tmp_path: Path, limits: Limits, voice_activity: VoiceActivity) -> Desk:
    return Desk(tmp_path, limits, voice_activity)


def late(samples: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(int(seconds * RATE), dtype=np.float32), samples])


def test_two_channels_are_two_speakers_on_one_time_line(desk: Desk, jfk_samples: NDArray[np.float32]) -> None:
    found = desk.transcribed(written(desk.folder / "call.wav", late(jfk_samples, 3), jfk_samples), "split")
    assert [segment.channel for segment in found.segments] == [1, 0]
    assert [segment.speaker for segment in found.segments] == ["SPEAKER_01", "SPEAKER_00"]
    assert {word.speaker for word in found.segments[1].words} == {"SPEAKER_00"}
    assert found.segments[0].end > found.segments[1].start > 2.5
    assert [speaker.label for speaker in found.speakers] == ["SPEAKER_00", "SPEAKER_01"]
    assert all(5 < speaker.talk_time < 11 for speaker in found.speakers)
    assert [language for _, language in desk.counting.heard] == [None, None]  # each detects its own
    assert found.warnings == ()


def test_dual_mono_is_recognised_once_and_says_so(desk: Desk, jfk_samples: NDArray[np.float32]) -> None:
    found = desk.transcribed(written(desk.folder / "dual.wav", jfk_samples, 0.5 * jfk_samples), "split")
    assert [(segment.channel, segment.speaker) for segment in found.segments] == [(0, None)]
    assert found.warnings == ("Channels 0 and 1 hold the same sound: it was recognised once, as channel 0.",)
    assert found.speakers == ()


def test_one_channel_of_eight(desk: Desk, jfk_samples: NDArray[np.float32]) -> None:
    silent = np.zeros(RATE, dtype=np.float32)
    source = written(desk.folder / "eight.wav", *([silent] * 6), jfk_samples, silent)
    alone = desk.transcribed(source, "6")
    assert [segment.channel for segment in alone.segments] == [6]
    assert alone.speakers == ()
    assert desk.transcribed(source, "0").segments == ()
    apart = desk.transcribed(source, "split")
    assert [(segment.channel, segment.speaker) for segment in apart.segments] == [(6, "SPEAKER_06")]
    assert apart.quality.speech_ratio == alone.quality.speech_ratio
    with pytest.raises(InvalidAudio, match="8 channels, and so no channel 8"):
        desk.transcribed(source, "8")


@pytest.mark.parametrize("channels", ["mix", "split", "0"])
def test_a_mono_second_of_nothing(desk: Desk, channels: str) -> None:
    found = desk.transcribed(written(desk.folder / "short.wav", np.zeros(RATE, dtype=np.float32)), channels)
    assert (found.segments, found.speakers, found.quality.speech_ratio) == ((), (), 0.0)


def test_a_mono_file_is_one_channel_without_a_speaker(desk: Desk, jfk_samples: NDArray[np.float32]) -> None:
    source = written(desk.folder / "mono.wav", jfk_samples)
    apart, mixed = desk.transcribed(source, "split"), desk.transcribed(source, "mix")
    assert [replace(segment, channel=None).end for segment in apart.segments] == [one.end for one in mixed.segments]
    assert [(segment.channel, segment.speaker) for segment in apart.segments] == [(0, None)]


def test_what_was_kept_of_one_channel_is_not_taken_for_another(desk: Desk, jfk_samples: NDArray[np.float32]) -> None:
    source = written(desk.folder / "call.wav", jfk_samples, late(jfk_samples, 1))
    steps = KeptSteps(Blobs(str(desk.folder / "blobs"), {}), lambda key: None)
    for channels in ("mix", "split", "0", "1", "split"):
        recording = desk.recording(source, channels)
        found = prepare(recording, VadOptions(), 300, desk.voice, steps, Noting())
        Recognising(recording, found, desk.counting, steps, Noting()).all(OPTIONS)
    assert len(desk.counting.heard) == 3  # the mix, and each channel once: split and alone they are the same


@pytest.mark.models
def test_a_bilingual_call(settings: Settings, clips: list[Clip], tmp_path: Path) -> None:
    """Each channel keeps its language and its words, whatever the other says at the same time."""
    english = next(clip for clip in clips if clip.name == "librivox-0880")
    french = next(clip for clip in clips if clip.name == "ast-conf-invalid" and clip.language == "fr")
    one, two = (np.asarray(decode_audio(str(clip.path)), dtype=np.float32) for clip in (english, french))
    runtime = Runtime.open(settings)
    try:
        request = TranscribeRequest(model="base", channels="split")
        found = transcribe_file(runtime, written(tmp_path / "call.wav", one, two), request)
    finally:
        runtime.close()
    said = {channel: " ".join(s.text for s in found.segments if s.channel == channel).casefold() for channel in (0, 1)}
    assert "young man" in said[0]
    assert "conférence" in said[1]
    assert {segment.channel: segment.language for segment in found.segments} == {0: "en", 1: "fr"}
    assert {word.speaker for word in found.words} == {"SPEAKER_00", "SPEAKER_01"}
