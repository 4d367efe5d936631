from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from speech.options import Priority, SubtitleOptions, TranscribeRequest, VadOptions, not_offered_yet

DEFAULTS = {
    "file_ids": [],
    "urls": [],
    "provider": "faster_whisper",
    "model": None,
    "fallback_providers": [],
    "data_policy": "any",
    "language": "auto",
    "task": "transcribe",
    "translate_to": [],
    "output_formats": ["json"],
    "word_timestamps": True,
    "vad": {"enabled": True, "threshold": 0.5, "min_silence": 0.5, "max_segment": 30},
    "guard": {"enabled": True},
    "diarization": {
        "enabled": False,
        "provider": None,
        "num_speakers": None,
        "min_speakers": None,
        "max_speakers": None,
        "identify": False,
    },
    "alignment": {"enabled": False, "provider": None},
    "script": None,
    "punctuation": {"enabled": False, "provider": None},
    "channels": "mix",
    "enhance": False,
    "initial_prompt": None,
    "hotwords": [],
    "redact": [],
    "subtitles": {"max_line_width": 42, "max_lines": 2, "max_duration": 7.0, "max_cps": 20},
    "parameters": {},
    "priority": "normal",
    "not_before": None,
    "timeout": None,
    "cache": "use",
    "webhook_url": None,
    "webhook_events": ["completed", "failed"],
    "expires_in": None,
    "metadata": {},
}


def test_the_defaults_are_the_contracts() -> None:
    assert TranscribeRequest().model_dump(mode="json") == DEFAULTS


def test_the_defaults_can_be_sent() -> None:
    assert TranscribeRequest.model_validate(DEFAULTS) == TranscribeRequest()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"modle": "tiny"}, "modle"),
        ({"vad": {"treshold": 0.5}}, "treshold"),
        ({"subtitles": {"width": 40}}, "width"),
        ({"diarization": {"speakers": 2}}, "speakers"),
        ({"alignment": {"model": "x"}}, "model"),
    ],
)
def test_a_field_that_it_does_not_know_is_refused_by_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TranscribeRequest.model_validate(body)
    (error,) = caught.value.errors()
    assert (error["type"], error["loc"][-1]) == ("extra_forbidden", field)


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "Faster Whisper"},
        {"provider": "../etc"},
        {"model": ""},
        {"model": "a\nb"},
        {"language": "English"},
        {"language": "../x"},
        {"task": "summarize"},
        {"file_ids": ["a/b"]},
        {"file_ids": ["x"] * 101},
        {"urls": ["no scheme"]},
        {"urls": ["https://host/a b"]},
        {"vad": {"threshold": 0}},
        {"vad": {"threshold": math.nan}},
        {"vad": {"max_segment": math.inf}},
        {"subtitles": {"max_line_width": 7}},
        {"subtitles": {"max_lines": 0}},
        {"subtitles": {"max_cps": 0}},
        {"priority": "urgent"},
        {"not_before": "2026-01-01T00:00:00"},
        {"timeout": 0},
        {"output_formats": "vtt"},
        {"initial_prompt": "x" * 2001},
        {"hotwords": [""]},
        {"channels": "left"},
        {"webhook_events": ["started"]},
        {"metadata": []},
    ],
)
def test_nonsense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TranscribeRequest.model_validate(body)


def test_older_names_are_accepted() -> None:
    request = TranscribeRequest.model_validate({"model_type": "faster_whisper", "model_size": "tiny.en"})
    assert (request.provider, request.model) == ("faster_whisper", "tiny.en")


@pytest.mark.parametrize("body", [{"model_type": "a", "provider": "a"}, {"model_size": "a", "model": "b"}])
def test_an_older_name_beside_the_new_one_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="not both"):
        TranscribeRequest.model_validate(body)


def test_validating_leaves_the_body_alone() -> None:
    body = {"model_size": "tiny.en"}
    TranscribeRequest.model_validate(body)
    assert body == {"model_size": "tiny.en"}


@pytest.mark.parametrize("body", [[], "text", None, 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        TranscribeRequest.model_validate(body)


def test_options_cannot_be_changed_behind_ones_back() -> None:
    with pytest.raises(ValidationError):
        VadOptions().threshold = 0.9  # type: ignore[misc]


def test_what_was_stored_reads_back_the_same() -> None:
    request = TranscribeRequest(
        file_ids=["f1"],
        language="en",
        priority=Priority.EXPRESS,
        hotwords=["Fourier"],
        not_before=datetime(2026, 1, 2, tzinfo=UTC),
        subtitles=SubtitleOptions(max_line_width=32),
        parameters={"beam_size": 5},
        metadata={"case": {"number": 7}},
    )
    assert TranscribeRequest.model_validate_json(request.model_dump_json()) == request


@given(st.text(max_size=40), st.text(max_size=40))
def test_texts_are_kept_or_refused_never_bent(prompt: str, phrase: str) -> None:
    try:
        request = TranscribeRequest(initial_prompt=prompt, hotwords=[phrase])
    except ValidationError:
        assert phrase == ""
    else:
        assert (request.initial_prompt, request.hotwords) == (prompt, [phrase])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"diarization": {"num_speakers": 2}}, "num_speakers needs enabled"),
        ({"diarization": {"identify": True}}, "identify needs enabled"),
        ({"diarization": {"enabled": True, "num_speakers": 2, "max_speakers": 3}}, "not both"),
        ({"diarization": {"enabled": True, "min_speakers": 3, "max_speakers": 2}}, "more than max_speakers"),
        ({"alignment": {"provider": "whisper"}}, "provider needs enabled"),
        ({"alignment": {"enabled": True}, "word_timestamps": False}, "needs word_timestamps"),
        ({"alignment": {"enabled": True}, "task": "translate"}, "cannot time a translation"),
        ({"alignment": {"enabled": True}, "script": "Hello.", "channels": "split"}, "each channel by itself"),
        ({"script": "Hello."}, "script needs alignment.enabled"),
        ({"script": "?!", "alignment": {"enabled": True}}, "no words"),
        ({"punctuation": {"provider": "x"}}, "provider needs enabled"),
    ],
)
def test_options_that_would_be_ignored_are_refused(body: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TranscribeRequest.model_validate(body)


def test_nothing_is_missing_from_a_plain_request() -> None:
    assert not_offered_yet(TranscribeRequest(file_ids=["f1"], urls=["https://h/x"], task="translate")) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fallback_providers": ["fake"]}, "fallback_providers"),
        ({"translate_to": ["de"]}, "translate_to"),
        ({"enhance": True}, "enhance"),
        ({"redact": ["names"]}, "redact"),
    ],
)
def test_what_is_not_offered_yet_is_named(body: dict[str, Any], field: str) -> None:
    assert not_offered_yet(TranscribeRequest.model_validate(body)) == [field]
