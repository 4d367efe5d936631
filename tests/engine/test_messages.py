"""What is said over the engine's socket: words, audio and errors arrive as they were; all else is refused."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import engine.errors as engine_errors
import speech.errors as speech_errors
from engine.errors import DeadlinePassed
from engine.failures import error_of, failure_of
from engine.frames import BadFrame
from engine.messages import Failed, parse, said
from engine.pcm import check_length, decoded, encoded
from speech.codec import recognition_from_json, recognition_to_json
from speech.errors import InvalidAudio, ProviderUnavailable, RateLimited, SpeechError, UnexpectedError
from speech.transcript import Recognition, Transcript
from tests.speech.strategies import transcripts

OURS = [
    kind
    for module in (speech_errors, engine_errors)
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, SpeechError) and kind is not SpeechError
]


@pytest.mark.parametrize("kind", OURS)
def test_whoever_asked_meets_the_error_that_was_raised(kind: type[SpeechError]) -> None:
    given = {"message": "It broke.", "field": "parameters.x", "provider": "whisper", "retry_after": 1.5}
    error = kind(*[given[name] for name in list(inspect.signature(kind.__init__).parameters)[1:]])
    wire = said(failure_of(error, 7))[8:]
    failed = parse(wire)
    assert isinstance(failed, Failed)
    assert (failed.id, failed.retryable) == (7, kind.retryable)
    again = error_of(failed)
    assert (type(again), vars(again)) == (kind, vars(error))


def test_an_error_of_another_package_becomes_the_nearest_of_ours() -> None:
    assert type(error_of(Failed(id=1, code="odd", message="It is odd.", retryable=True))) is ProviderUnavailable
    gone = error_of(Failed(id=1, code="odd", message="It is odd."))
    assert (type(gone), gone.message) == (UnexpectedError, "It is odd.")


def test_engine_errors_have_codes_of_their_own() -> None:
    codes = [kind.code for kind in OURS]
    assert len(set(codes)) == len(codes)
    assert not DeadlinePassed.retryable
    assert (engine_errors.EngineBusy.retryable, engine_errors.EngineLost.retryable, RateLimited.retryable) == (
        True,
    ) * 3


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"type": "shout"}',
        b'{"type": "cancel"}',
        b'{"type": "cancel", "id": -1}',
        b'{"type": "cancel", "id": "1"}',
        b'{"type": "cancel", "id": 1, "more": 2}',
        b'{"type": "hello", "version": "one"}',
        b'{"type": "recognise", "id": 1, "owner": "", "encoding": "opus"}',
        b'{"type": "recognise", "id": 1, "owner": "", "encoding": "pcm_s16le", "sample_rate": 8000}',
        b'{"type": "recognise", "id": 1, "owner": "", "encoding": "pcm_s16le", "seconds": NaN}',
        b'{"type": "recognise", "id": 1, "owner": "' + b"x" * 129 + b'", "encoding": "pcm_s16le"}',
        b'{"type": "recognise", "id": 1, "owner": "", "encoding": "pcm_s16le", "options": ' + b'{"a":' * 5000,
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused(header: bytes) -> None:
    with pytest.raises(BadFrame):
        parse(header)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(BadFrame) as caught:
        parse(b'{"type": "cancel", "id": "the words of somebody"}')
    assert "somebody" not in str(caught.value)


def test_float_samples_arrive_bit_for_bit() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 1001).astype(np.float32)
    encoding, payload = encoded(samples)
    assert (encoding, payload.nbytes) == ("pcm_f32le", 4004)
    assert np.array_equal(decoded(bytes(payload), encoding), samples)


@pytest.mark.parametrize("given", [np.arange(10, dtype=np.float64) / 10, np.arange(20, dtype=np.float32)[::2] / 20])
def test_other_floats_become_ours(given: Any) -> None:
    encoding, payload = encoded(given)
    assert np.allclose(decoded(bytes(payload), encoding), given)


def test_int16_samples_become_floats() -> None:
    encoding, payload = encoded(np.array([-32768, 0, 16384], dtype=np.int16))
    assert (encoding, payload.nbytes) == ("pcm_s16le", 6)
    assert decoded(bytes(payload), encoding).tolist() == [-1.0, 0.0, 0.5]
    assert decoded(bytes(payload), encoding).dtype == np.float32


def test_no_samples_are_audio_too() -> None:
    encoding, payload = encoded(np.zeros(0, dtype=np.float32))
    assert decoded(bytes(payload), encoding).size == 0


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(InvalidAudio, match="3 bytes"):
        decoded(b"abc", "pcm_s16le")
    with pytest.raises(InvalidAudio, match="finite"):
        decoded(np.array([0.0, np.nan], dtype="<f4").tobytes(), "pcm_f32le")
    check_length(32_000, 2.0)
    with pytest.raises(InvalidAudio, match=r"2\.0 seconds .* hold: 2\."):
        check_length(32_001, 2.0)


@given(transcripts())
def test_recognitions_arrive_as_they_were(whole: Transcript) -> None:
    words = Recognition(whole.segments, whole.language, whole.language_probability)
    assert recognition_from_json(json.loads(json.dumps(recognition_to_json(words), allow_nan=False))) == words


@pytest.mark.parametrize(
    "document", [{}, {"segments": [{}], "language": None, "language_probability": None}, {"segments": 3}, []]
)
def test_what_is_no_recognition_is_refused_without_its_words(document: Any) -> None:
    with pytest.raises(ValueError, match="not a recognition"):
        recognition_from_json(document)
