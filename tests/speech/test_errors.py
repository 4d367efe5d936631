from __future__ import annotations

import inspect
import pickle
import re
from typing import Any

import pytest

from speech import errors
from speech.errors import ProviderError, RateLimited, SpeechError, UnknownProvider, UnsupportedOption
from speech.formats import UnknownFormat


def _all(base: type[SpeechError]) -> set[type[SpeechError]]:
    return {base}.union(*(_all(each) for each in base.__subclasses__()))


OURS = sorted(
    (each for each in _all(SpeechError) if each.__module__.startswith("speech.")), key=lambda each: each.__name__
)


@pytest.mark.parametrize("kind", OURS)
def test_every_error_survives_pickling_with_all_it_carries(kind: type[SpeechError]) -> None:
    given = {
        "message": "It broke: try again later.",
        "field": "parameters.beam_size",
        "provider": "faster_whisper",
        "retry_after": 1.5,
    }
    arguments: list[Any] = [given[name] for name in list(inspect.signature(kind.__init__).parameters)[1:]]
    error = kind(*arguments)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)
    assert "It broke: try again later." in str(again)


@pytest.mark.parametrize("kind", OURS)
def test_every_error_can_be_made_without_arguments(kind: type[SpeechError]) -> None:
    again = pickle.loads(pickle.dumps(kind()))
    assert again.message == ""


def test_codes_are_words_and_each_error_has_its_own() -> None:
    codes = [kind.code for kind in OURS if kind is not SpeechError]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_tree_in_the_docstring_names_every_error() -> None:
    tree = errors.__doc__ or ""
    here = [kind.__name__ for kind in OURS if kind.__module__ == errors.__name__]
    assert [name for name in here if not re.search(rf"\b{name}\b", tree)] == []


def test_what_may_be_tried_again() -> None:
    assert {kind.__name__ for kind in OURS if kind.retryable} == {
        "DeviceUnavailable",
        "DiskUnusable",
        "DownloadFailed",
        "ModelUnavailable",
        "ProviderTimeout",
        "ProviderUnavailable",
        "RateLimited",
    }


def test_what_errors_carry() -> None:
    limited = RateLimited("Slow down.", "cloud", 2.0)
    assert isinstance(limited, ProviderError)
    assert (limited.message, limited.provider, limited.retry_after) == ("Slow down.", "cloud", 2.0)
    assert UnknownProvider("No such provider.", "provider").field == "provider"
    assert issubclass(UnknownFormat, UnsupportedOption)


@pytest.mark.parametrize("kind", OURS)
def test_text_for_people_is_the_message_alone(kind: type[SpeechError]) -> None:
    assert kind("Only this.").message == "Only this."
