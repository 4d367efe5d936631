from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from speech.codec import from_json, to_json
from speech.diarization import Turn
from speech.transcript import Quality, Segment, Speaker, Transcript, Word
from tests.speech.build import spoken, transcript
from tests.speech.strategies import transcripts


@given(transcripts())
def test_every_transcript_comes_back_as_it_was(whole: Transcript) -> None:
    assert from_json(json.loads(json.dumps(to_json(whole), allow_nan=False))) == whole


def test_the_result_has_the_contracts_shape() -> None:
    segment = Segment(
        0.0, 3.2, "And so", (Word(0.0, 0.4, "And", False, 0.98, "SPEAKER_00"),), "en", "SPEAKER_00", None, 0.93
    )
    whole = replace(
        transcript(segment, duration=7.1, speakers=(Speaker("SPEAKER_00", None, 12.3),)),
        turns=(Turn(0.0, 3.2, "SPEAKER_00"),),
        quality=Quality(0.92, 31.0, 0.0),
        stages={"prepare": 0.05, "transcribe": 0.61},
        warnings=("The audio is clipped.",),
    )
    assert to_json(whole) == {
        "transcript_id": "t1",
        "job_id": "j1",
        "file_id": "f1",
        "filename": "call.wav",
        "duration": 7.1,
        "language": "en",
        "language_probability": 0.99,
        "provider": "fake",
        "model": "one",
        "model_digest": "sha256:00",
        "text": "And so",
        "segments": [
            {
                "id": 0,
                "start": 0.0,
                "end": 3.2,
                "text": "And so",
                "language": "en",
                "speaker": "SPEAKER_00",
                "channel": None,
                "confidence": 0.93,
                "words": [
                    {
                        "start": 0.0,
                        "end": 0.4,
                        "text": "And",
                        "space_before": False,
                        "confidence": 0.98,
                        "speaker": "SPEAKER_00",
                    }
                ],
            }
        ],
        "speakers": [{"label": "SPEAKER_00", "name": None, "talk_time": 12.3, "score": None}],
        "turns": [{"start": 0.0, "end": 3.2, "speaker": "SPEAKER_00"}],
        "quality": {"speech_ratio": 0.92, "snr_db": 31.0, "clipping": 0.0},
        "usage": {"audio_seconds": 0.0, "cost_usd": 0.0},
        "stages": {"prepare": 0.05, "transcribe": 0.61},
        "warnings": ["The audio is clipped."],
    }


def test_segments_are_numbered_from_zero() -> None:
    whole = transcript(spoken("one"), spoken("two", 1.0), spoken("three", 2.0))
    assert [segment["id"] for segment in to_json(whole)["segments"]] == [0, 1, 2]


def test_a_number_without_end_is_null_and_not_broken_json() -> None:
    whole = replace(transcript(), quality=Quality(1.0, math.inf, math.nan), language_probability=math.nan)
    assert to_json(whole)["quality"] == {"speech_ratio": 1.0, "snr_db": None, "clipping": None}
    json.dumps(to_json(whole), allow_nan=False)


def test_keys_that_are_new_are_passed_over() -> None:
    document = to_json(transcript(spoken("hello there")))
    document["sentiment"] = "glad"
    document["segments"][0]["tokens"] = [1, 2]
    assert from_json(document) == transcript(spoken("hello there"))


def test_a_transcript_that_was_stored_before_there_were_turns_reads() -> None:
    document = to_json(transcript(spoken("hello there")))
    del document["turns"]
    assert from_json(document) == transcript(spoken("hello there"))


def _without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize("key", sorted(set(to_json(transcript())) - {"text", "turns"}))
def test_a_missing_key_is_an_error_that_says_so(key: str) -> None:
    with pytest.raises(ValueError, match="not a transcript"):
        from_json(_without(to_json(transcript()), key))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("duration", "long"),
        ("duration", None),
        ("filename", 3),
        ("job_id", 3),
        ("segments", 3),
        ("segments", ["secret words"]),
        ("stages", []),
        ("quality", None),
        ("warnings", [1]),
    ],
)
def test_a_value_of_another_kind_is_an_error_without_the_text(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="not a transcript") as caught:
        from_json(to_json(transcript()) | {key: value})
    assert "secret" not in str(caught.value)
