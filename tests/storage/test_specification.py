"""Requests as they are stored: what a neighbouring version has to be able to read."""

from __future__ import annotations

from typing import Any

import pytest

from speech.options import TranscribeRequest
from storage.specification import dump, load

FIRST_VERSION: dict[str, Any] = {
    "diarization": {"enabled", "num_speakers", "min_speakers", "max_speakers", "identify"},
    "alignment": {"enabled", "provider"},
    "punctuation": {"enabled", "provider"},
    "vad": {"enabled", "threshold", "min_silence", "max_segment"},
    "subtitles": {"max_line_width", "max_lines", "max_duration", "max_cps"},
}
PLAIN = {
    *("file_ids", "urls", "provider", "model", "fallback_providers", "data_policy", "language", "task"),
    *("translate_to", "output_formats", "word_timestamps", "channels", "enhance", "initial_prompt", "hotwords"),
    *("redact", "parameters", "priority", "not_before", "timeout", "cache", "webhook_url", "webhook_events"),
    *("expires_in", "metadata"),
}
"""The fields that workers of the first version know, and refuse all others."""


def test_a_job_that_asks_for_nothing_new_is_read_by_workers_of_the_first_version() -> None:
    stored = dump(TranscribeRequest(file_ids=["one"], language="en"))
    assert stored.keys() == PLAIN | FIRST_VERSION.keys()
    assert {name: set(stored[name]) for name in FIRST_VERSION} == FIRST_VERSION


@pytest.mark.parametrize(
    "body",
    [
        {"diarization": {"enabled": True}},
        {"alignment": {"enabled": True}},
        {"punctuation": {"enabled": True}},
        {"channels": "split"},
    ],
)
def test_a_job_that_asks_for_a_step_is_left_to_workers_that_do_it(body: dict[str, Any]) -> None:
    assert "guard" in dump(TranscribeRequest.model_validate({"file_ids": ["one"], **body}))


@pytest.mark.parametrize(
    "body",
    [{}, {"diarization": {"enabled": True, "provider": "pyannote"}}, {"alignment": {"enabled": True}}],
)
def test_what_is_stored_is_read_as_it_was_asked(body: dict[str, Any]) -> None:
    request = TranscribeRequest.model_validate({"file_ids": ["one"], **body})
    assert load(dump(request), 1) == request
