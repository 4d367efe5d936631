"""The guard: what nobody said goes, what somebody said stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from audio.activity import Activity, ActivityTrack
from audio.limits import Limits
from audio.pieces import Piece
from audio.spans import Span
from audio.vad import VoiceActivity
from benchmarks.sounds import hum, melody, pink
from pipeline.boilerplate import is_boilerplate, is_description
from pipeline.guard import Guarded, guard, warning
from pipeline.prepare import prepare
from pipeline.recognise import Recognising
from pipeline.recording import Recording
from pipeline.runtime import Runtime
from pipeline.steps import KeptSteps, NoSteps
from providers.base import RecognitionOptions
from speech.options import VadOptions
from speech.settings import Settings
from speech.transcript import Recognition, Segment, Word
from storage.blobs import Blobs
from tests.conftest import Clip
from tests.pipeline.conftest import Counting, Noting
from tests.pipeline.test_channels import written

PIECE = Piece(0, (Span(0.0, 60.0),))


def track(level: float, seconds: float = 60.0) -> ActivityTrack:
    return ActivityTrack(np.full(int(seconds / 0.032) + 1, level, dtype=np.float32))


SPEECH, NOTHING, FAINT = track(0.95), track(0.01), track(0.3)
MUSIC = ActivityTrack(np.tile(np.array([0.9] + [0.1] * 9, dtype=np.float32), 200))


def heard(text: str, seconds: float = 2.0, confidence: float | None = 0.9, words: float | None = None) -> Segment:
    spoken = (Word(1.0, 1.0 + seconds, text, confidence=words),) if words is not None else ()
    return Segment(1.0, 1.0 + seconds, text, spoken, confidence=confidence)


def kept(segment: Segment, voice: ActivityTrack | None) -> bool:
    return bool(guard(Recognition((segment,), "en"), PIECE, voice, None).recognition.segments)


@pytest.mark.parametrize(
    ("segment", "voice"),
    [
        (heard("And so my fellow Americans, ask not what your country can do for you"), NOTHING),
        (heard("You", confidence=0.38), FAINT),
        (heard("You", confidence=0.38), MUSIC),
        (heard("You know", confidence=None), FAINT),
        (heard("So", 0.6, 0.45, words=0.04), ActivityTrack(np.tile(np.array([0.9, 0.2, 0.2], np.float32), 700))),
        (heard("Thank you so much for watching and I'll see you in the next video.", 1.0, 0.3), SPEECH),
        (heard("Thanks for watching!", confidence=0.5), SPEECH),
        (heard("Субтитры сделал DimaTorzok", confidence=0.55), SPEECH),
        (heard("[Music]"), SPEECH),
        (heard("♪ ♪"), SPEECH),
        (heard("(upbeat music) [applause]"), SPEECH),
        (heard("I'm going to the " * 20, 20.0), SPEECH),
        (heard("no, " * 40, 12.0), SPEECH),
        (heard("ありがとうございました" * 8, 20.0), SPEECH),
        (heard("и вот он снова говорит, " * 12, 20.0), SPEECH),
    ],
)
def test_what_nobody_said_is_left_out(segment: Segment, voice: ActivityTrack) -> None:
    assert not kept(segment, voice)


@pytest.mark.parametrize(
    ("segment", "voice"),
    [
        (heard("And so my fellow Americans, ask not what your country can do for you", 4.0), SPEECH),
        (heard("Okay.", 0.3, 0.45), SPEECH),
        (heard("Thank you.", 0.8, 0.7), SPEECH),
        (heard("Thanks for watching!", 1.2, 0.85), SPEECH),
        (heard("No, no, no, no, no, no!", 2.0), SPEECH),
        (heard("five five five zero one five five five five five", 4.0), SPEECH),
        (heard("Mumbled through a wall, and hardly to be understood", 4.0, 0.3), SPEECH),
        (heard("Whispered, and still clear", 2.0, 0.8), FAINT),
        (heard("He said [sic] so.", 2.0), SPEECH),
        (heard("A recogniser that tells no confidence", 2.0, None), SPEECH),
        (heard("Words whose times went wrong, as they do", 0.05, 0.9), SPEECH),
        (heard("Nothing is known of the sound", 2.0, 0.3), None),
        (heard("これは普通の日本語の文章で、とくに繰り返しはありません。", 5.0), SPEECH),
        (heard("Le chien est dans le jardin et le chat est dans la maison, mais la souris est partie.", 5.0), SPEECH),
    ],
)
def test_what_somebody_said_stays(segment: Segment, voice: ActivityTrack | None) -> None:
    assert kept(segment, voice)


def test_a_phrase_again_and_again_is_kept_once_where_hardly_anybody_speaks() -> None:
    loop = tuple(Segment(5.0 * n, 5.0 * n + 4, "So what is it?", confidence=0.9) for n in range(8))
    found = guard(Recognition(loop, "en"), PIECE, MUSIC, None)
    assert (len(found.recognition.segments), found.rejected) == (1, 28.0)
    announced = guard(Recognition(loop, "en"), PIECE, SPEECH, None)
    assert announced == Guarded(Recognition(loop, "en"))


def test_the_sound_is_looked_up_where_the_words_lie_in_the_recording() -> None:
    """The piece leaves out a silence: what is at 3 s of it is at 33 s of the recording."""
    piece = Piece(0, (Span(0.0, 2.0), Span(32.0, 36.0)))
    voice = ActivityTrack(np.concatenate([np.zeros(1000, np.float32), np.full(200, 0.9, np.float32)]))
    said, not_said = Segment(2.5, 4.0, "Here", confidence=0.9), Segment(0.2, 1.5, "there", confidence=0.9)
    found = guard(Recognition((not_said, said), "en"), piece, voice, None)
    assert found.recognition.segments == (said,)


def test_a_pause_that_was_left_out_does_not_count_against_the_words_around_it() -> None:
    piece = Piece(0, (Span(0.0, 2.0), Span(58.0, 60.0)))
    voice = ActivityTrack(np.zeros(1876, np.float32))
    voice.probabilities[:62] = voice.probabilities[-62:] = 0.9
    across = Recognition((Segment(0.5, 3.5, "Before it and after it", confidence=0.3),), "en")
    assert guard(across, piece, voice, None) == Guarded(across)
    no_time = Recognition((Segment(4.2, 4.2, "Late", confidence=0.9),), "en")
    assert guard(no_time, piece, voice, None) == Guarded(no_time)


def test_a_language_that_was_detected_in_nothing_means_nothing() -> None:
    only = Recognition((heard("Diolch yn fawr", confidence=0.3),), "cy", 0.4)
    assert guard(only, PIECE, NOTHING, None).recognition == Recognition(())
    assert guard(only, PIECE, NOTHING, "en").recognition == Recognition((), "en")
    assert guard(Recognition((), "en", 0.9), PIECE, NOTHING, None) == Guarded(Recognition((), "en", 0.9))


def test_lines_and_descriptions() -> None:
    assert is_boilerplate("Sous-titres réalisés par la communauté d'Amara.org")
    assert is_boilerplate("Thanks for watching! Thanks for watching!")
    assert not is_boilerplate("Thanks for watching the children.")
    assert not is_boilerplate("")
    assert not is_description("(He laughed) and went on")
    assert not is_description("")


def test_a_warning_only_when_most_was_rejected() -> None:
    assert warning(kept=10, rejected=2, voiced=11) == ()
    assert warning(kept=0, rejected=0, voiced=0) == ()
    (much,) = warning(kept=4, rejected=20, voiced=22)
    assert "20 of 24 s" in much
    (none,) = warning(kept=0, rejected=0, voiced=8)
    assert "8 s" in none


def test_activity_survives_being_kept() -> None:
    values = np.linspace(0, 1, 1000, dtype=np.float32)
    again = Activity.of(values).track()
    assert np.abs(again.probabilities - values).max() <= 0.5 / 255 + 1e-6
    assert len(again.between(-1.0, 0.01)) == 1
    assert len(again.between(100.0, 101.0)) == 0
    assert again.voiced_seconds == pytest.approx(16.0, abs=0.1)


def test_with_and_without_the_guard_are_kept_apart(
    recording: Recording, counting: Counting, voice_activity: VoiceActivity, tmp_path: Path
) -> None:
    steps = KeptSteps(Blobs(str(tmp_path / "blobs"), {}), lambda key: None)
    found = prepare(recording, VadOptions(), 300, voice_activity, NoSteps(), Noting())
    for guarding in (True, False, True):
        Recognising(recording, found, counting, steps, Noting(), guarding).all(RecognitionOptions(model="one"))
    assert len(counting.heard) == 2


def test_what_is_left_out_is_not_told_to_those_who_follow(
    tmp_path: Path, limits: Limits, counting: Counting, voice_activity: VoiceActivity
) -> None:
    """The counting recogniser hears a word in everything; here somebody seems to speak, for a moment."""
    source = written(tmp_path / "hum.wav", hum(5.0))
    recording = Recording("anna", "f", "hum.wav", "e" * 64, tmp_path, limits, lambda _: source)
    found = prepare(recording, VadOptions(enabled=False), 300, voice_activity, NoSteps(), Noting())
    quiet = found.activity[0].track().probabilities
    quiet[60] = 0.45
    found = replace(found, activity=(Activity.of(quiet),))
    observer = Noting()
    heard = Recognising(recording, found, counting, NoSteps(), observer).all(RecognitionOptions(model="one"))
    assert observer.pieces == [(0, ())]
    assert (heard.pieces[0].segments, heard.language) == ((), None)
    assert "left out" in heard.warnings[0]


def test_where_nothing_can_be_speech_nobody_is_asked(
    tmp_path: Path, limits: Limits, counting: Counting, voice_activity: VoiceActivity
) -> None:
    source = written(tmp_path / "rain.wav", pink(3.0))
    recording = Recording("anna", "f", "rain.wav", "e" * 64, tmp_path, limits, lambda _: source)
    found = prepare(recording, VadOptions(enabled=False), 300, voice_activity, NoSteps(), Noting())
    heard = Recognising(recording, found, counting, NoSteps(), Noting()).all(RecognitionOptions(model="one"))
    assert (counting.heard, heard.language, heard.warnings) == ([], None, ())


@pytest.mark.models
def test_real_words_come_through_noise_and_nothing_comes_of_a_tune(
    settings: Settings, clips: list[Clip], voice_activity: VoiceActivity, tmp_path: Path, limits: Limits
) -> None:
    clip = next(clip for clip in clips if clip.name == "librivox-0880")
    speech = np.asarray(decode_audio(str(clip.path)), dtype=np.float32)
    source = written(tmp_path / "both.wav", np.concatenate([melody(6.0), speech, hum(6.0)]))
    recording = Recording("anna", "f", "both.wav", "f" * 64, tmp_path, limits, lambda _: source)
    found = prepare(recording, VadOptions(enabled=False), 300, voice_activity, NoSteps(), Noting())
    runtime = Runtime.open(settings)
    try:
        recogniser, options = runtime.registry.get("faster_whisper"), RecognitionOptions("tiny.en", "en")
        heard = Recognising(recording, found, recogniser, NoSteps(), Noting()).all(options)
    finally:
        runtime.close()
    words = [word for piece in heard.pieces for segment in piece.segments for word in segment.words]
    assert " ".join(word.text for word in words).casefold().startswith("he was not an")
    assert words[0].start > 5.5
    assert words[-1].end < 6.5 + clip.duration
