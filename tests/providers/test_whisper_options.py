"""The declared options are those that faster-whisper has, with its defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from providers.context import ProviderContext
from providers.faster_whisper import FasterWhisper
from providers.whisper_options import BATCHED_ONLY, LEFT_OUT, SEQUENTIAL_ONLY, WhisperParameters
from speech.errors import ModelNotFound, UnsupportedOption
from speech.options import TranscribeRequest


def _engine(mode: str) -> dict[str, Any]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    transcribe: Callable[..., Any] = (WhisperModel if mode == "sequential" else BatchedInferencePipeline).transcribe
    arguments = dict(inspect.signature(transcribe).parameters)
    del arguments["self"]
    return {name: argument.default for name, argument in arguments.items()}


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_option_is_declared_that_the_engine_lacks_and_none_is_missing(mode: str) -> None:
    declared = set(WhisperParameters.model_fields) - {"mode"}
    arguments = set(_engine(mode))
    assert declared - BATCHED_ONLY - arguments == set()
    assert arguments - declared == set(LEFT_OUT) & arguments
    assert set(LEFT_OUT) - set(_engine("sequential")) == set()


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_the_defaults_are_the_engine_s(mode: str) -> None:
    defaults = _engine(mode)
    given = WhisperParameters.model_validate({"mode": mode}).arguments()
    assert given == {name: defaults[name] for name in given}
    kept = SEQUENTIAL_ONLY if mode == "batched" else BATCHED_ONLY
    assert set(given) == set(defaults) - set(LEFT_OUT) - kept - {"without_timestamps"}


def test_what_batched_decoding_ignores_is_what_it_says_it_ignores() -> None:
    """Batched decoding fixes these whatever is passed, or never looks at them."""
    from faster_whisper import BatchedInferencePipeline

    source = inspect.getsource(BatchedInferencePipeline)
    for name in ("condition_on_previous_text", "prompt_reset_on_temperature", "max_initial_timestamp"):
        assert f"{name}={name}," not in source
    used = inspect.getsource(BatchedInferencePipeline.generate_segment_batched)
    for name in SEQUENTIAL_ONLY:
        assert f"options.{name}" not in used
    for name in ("beam_size", "patience", "hotwords", "max_new_tokens", "multilingual", "no_repeat_ngram_size"):
        assert f"options.{name}" in used


def test_lists_are_made_anew_for_each_call() -> None:
    """faster-whisper appends to the list that it is given."""
    parameters = WhisperParameters(suppress_tokens=[11])
    parameters.arguments()["suppress_tokens"].append(12)
    assert parameters.arguments()["suppress_tokens"] == [11]


@pytest.mark.parametrize(
    "given",
    [
        {"beam_size": 0},
        {"beam_size": "5"},
        {"beam_size": True},
        {"beam_size": 1, "patience": 0.5},
        {"temperature": []},
        {"temperature": -0.1},
        {"temperature": [0.0, 3.0]},
        {"temperature": float("nan")},
        {"mode": "fast"},
        {"no_speech_threshold": 1.5},
        {"log_prob_threshold": 0.5},
        {"chunk_length": 31},
        {"max_new_tokens": 449},
        {"suppress_tokens": [-2]},
        {"suppress_tokens": "-1"},
        {"language_detection_threshold": None},
        {"condition_on_previous_text": "false"},
        {"vad_filter": True},
        {"clip_timestamps": "0"},
        {"mode": "sequential", "batch_size": 8},
        {"mode": "batched", "condition_on_previous_text": False},
        {"mode": "batched", "prefix": "And"},
        {"mode": "batched", "hallucination_silence_threshold": 1.0},
        {"mode": "batched", "temperature": [0.0, 0.2]},
    ],
    ids=str,
)
def test_what_the_engine_would_refuse_or_ignore_is_refused_before_any_work(
    whisper: FasterWhisper, given: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        whisper.check(TranscribeRequest.model_construct(**_asked(parameters=given)))
    assert caught.value.field.startswith("parameters")
    assert caught.value.code == "unsupported_option"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 0},
        {"temperature": [0.0, 1.0]},
        {"mode": "batched", "batch_size": 16, "temperature": 0.0, "no_speech_threshold": None},
        {"suppress_tokens": None},
        {"suppress_tokens": []},
        {"log_prob_threshold": None, "compression_ratio_threshold": None},
    ],
    ids=str,
)
def test_what_the_engine_takes_is_taken(whisper: FasterWhisper, given: dict[str, Any]) -> None:
    options = whisper.check(TranscribeRequest(model="tiny.en", parameters=given))
    assert isinstance(options.parameters, WhisperParameters)
    for name, value in given.items():
        assert getattr(options.parameters, name) == value


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"language": "fr"}, "language"),
        ({"task": "translate"}, "task"),
        ({"model": "large-v3-turbo", "task": "translate"}, "task"),
        ({"model": "turbo", "task": "translate"}, "task"),
        ({"model": "distil-large-v3", "language": "de"}, "language"),
        ({"model": "base", "language": "yue"}, "language"),
        ({"model": "base", "language": "xx"}, "language"),
        ({"hotwords": ["Elinor"], "parameters": {"prefix": "And"}}, "hotwords"),
        ({"parameters": {"multilingual": True}}, "parameters.multilingual"),
        (
            {"model": "base", "language": "en", "parameters": {"language_detection_segments": 5}},
            "parameters.language_detection_segments",
        ),
        ({"model": "base", "language": "fr", "parameters": {"multilingual": True}}, "parameters.multilingual"),
        (
            {"word_timestamps": False, "parameters": {"hallucination_silence_threshold": 1.0}},
            "parameters.hallucination_silence_threshold",
        ),
        ({"word_timestamps": False, "parameters": {"append_punctuations": "."}}, "parameters.append_punctuations"),
    ],
    ids=str,
)
def test_what_a_model_cannot_do_is_refused_naming_the_field(
    whisper: FasterWhisper, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        whisper.check(TranscribeRequest.model_validate({"model": "tiny.en", **asked}))
    assert caught.value.field == field


@pytest.mark.parametrize("model", ["/etc", "../secrets", "~/models", "no-such-model", "tiny.en/"])
def test_a_request_cannot_reach_other_folders(whisper: FasterWhisper, model: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        whisper.check(TranscribeRequest(model=model))
    assert caught.value.field == "model"


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ({"model": "large-v3", "task": "translate", "language": "yue"}, "yue"),
        ({"model": "turbo"}, None),
        ({"model": "base", "task": "translate"}, None),
        ({"model": "tiny.en", "language": "en"}, "en"),
    ],
    ids=str,
)
def test_what_a_model_can_do_is_taken_without_fetching_it(
    context: ProviderContext, whisper: FasterWhisper, asked: dict[str, Any], language: str | None
) -> None:
    before = context.weights.installed(asked["model"])
    options = whisper.check(TranscribeRequest.model_validate(asked))
    assert (options.model, options.language) == (asked["model"], language)
    assert context.weights.installed(asked["model"]) == before


def _asked(**values: Any) -> dict[str, Any]:
    """The fields of a request whose parameters may be anything, NaN too."""
    return {**dict(TranscribeRequest(model="tiny.en")), **values}
