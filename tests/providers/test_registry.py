"""Who can recognise: found, checked, described."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest

from providers import registry as registry_module
from providers import roster as module
from providers.base import Availability, Capabilities, Recogniser
from providers.context import ProviderContext
from providers.fake import Fake, Script
from providers.fake_steps import FakeAligner, FakePunctuator
from providers.faster_whisper import FasterWhisper
from providers.registry import GROUP, Extra, Registry
from speech.errors import ModelUnavailable, PolicyRefused, ProviderUnavailable, UnknownProvider, UnsupportedOption
from speech.options import StepOptions, TranscribeRequest


class Cloud(Fake):
    """The fake as if it sent audio away, and could do nothing more than listen."""

    name: ClassVar[str] = "cloud"
    capabilities: ClassVar[Capabilities] = Capabilities(local=False, languages=("en",))


def _registry(context: ProviderContext, **extra: Any) -> Registry:
    return Registry(context.settings, context.weights, context.engine, extra=extra)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points of other packages, as a test puts them."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(module, "entry_points", lambda group: points if group == GROUP else [])
    return points


def test_the_fake_is_offered_only_where_it_was_put(context: ProviderContext) -> None:
    assert _registry(context).names() == ("faster_whisper",)
    assert _registry(context, fake=Fake).names() == ("fake", "faster_whisper")


def test_a_provider_is_made_once(context: ProviderContext) -> None:
    made = []

    def make(context: ProviderContext) -> Recogniser:
        made.append(context)
        return Fake(context)

    registry = _registry(context, fake=make)
    assert registry.get("fake") is registry.get("fake")
    assert made == [context]
    assert isinstance(registry.get("faster_whisper"), FasterWhisper)


def test_an_unknown_provider_is_refused_with_those_that_there_are(context: ProviderContext) -> None:
    with pytest.raises(UnknownProvider, match="faster_whisper") as caught:
        _registry(context).check(TranscribeRequest(provider="parrot"))
    assert (caught.value.field, caught.value.code) == ("provider", "unknown_provider")


def test_a_checked_request_becomes_options(context: ProviderContext) -> None:
    options = _registry(context, fake=Fake).check(
        TranscribeRequest(provider="fake", language="fr", hotwords=["Elinor"], parameters={"words_per_second": 1})
    )
    assert (options.model, options.language, options.hotwords) == ("scripted", "fr", ("Elinor",))
    assert options.parameters.model_dump()["words_per_second"] == 1


@pytest.mark.parametrize("whose", ["request", "operator"])
def test_local_only_keeps_audio_away_from_clouds(context: ProviderContext, whose: str) -> None:
    policy = "local_only" if whose == "operator" else "any"
    settings = context.settings.model_copy(update={"data_policy": policy})
    registry = Registry(settings, context.weights, context.engine, extra={"cloud": Cloud, "fake": Fake})
    wanted = "local_only" if whose == "request" else "any"
    with pytest.raises(PolicyRefused, match="cloud") as caught:
        registry.check(TranscribeRequest(provider="cloud", language="en", data_policy=wanted))
    assert (caught.value.field, caught.value.code) == ("provider", "policy_refused")
    registry.check(TranscribeRequest(provider="fake", data_policy=wanted))


def test_a_cloud_may_be_used_where_nobody_forbids_it(context: ProviderContext) -> None:
    registry = _registry(context, cloud=Cloud)
    assert registry.check(TranscribeRequest(provider="cloud", language="en")).language == "en"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "language"),  # auto
        ({"language": "fr"}, "language"),
        ({"language": "en", "task": "translate"}, "task"),
        ({"language": "en", "word_timestamps": True}, "word_timestamps"),
        ({"language": "en", "initial_prompt": "A letter."}, "initial_prompt"),
        ({"language": "en", "hotwords": ["Elinor"]}, "hotwords"),
    ],
)
def test_what_a_provider_cannot_do_is_refused_naming_the_field(
    context: ProviderContext, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        _registry(context, cloud=Cloud).check(TranscribeRequest(provider="cloud", **asked))
    assert caught.value.field == field


def test_word_times_that_nobody_asked_for_are_left_out_where_there_are_none(context: ProviderContext) -> None:
    options = _registry(context, cloud=Cloud).check(TranscribeRequest(provider="cloud", language="en"))
    assert options.word_timestamps is False


def test_providers_are_described_as_data(context: ProviderContext) -> None:
    away = Availability(False, "It is away.", "Wait.")
    described = _registry(context, fake=lambda made: Fake(made, Script(availability=away))).describe()
    json.dumps(described)
    assert [provider["name"] for provider in described] == ["fake", "faster_whisper"]
    fake, whisper = described
    assert (fake["available"], fake["reason"], fake["mend"]) == (False, "It is away.", "Wait.")
    assert whisper["available"] is True
    assert whisper["local"] is True
    assert whisper["capabilities"]["detects_language"] is True
    assert "local" not in whisper["capabilities"]
    assert whisper["parameters"]["additionalProperties"] is False
    assert whisper["default_model"] in [model["name"] for model in whisper["models"] if model["default"]]
    assert {"yue", "en"} <= set(whisper["languages"])


def test_a_provider_that_cannot_tell_its_models_is_still_described(context: ProviderContext) -> None:
    class Dumb(Fake):
        name: ClassVar[str] = "dumb"

        def models(self) -> Any:
            raise ModelUnavailable("The list is out of reach.")

    described = _registry(context, dumb=Dumb).describe()[0]
    assert (described["name"], described["models"], described["default_model"]) == ("dumb", [], None)


def test_providers_of_other_packages_come_through_the_same_door(
    context: ProviderContext, installed: list[EntryPoint]
) -> None:
    installed.append(EntryPoint("fake", "providers.fake:Fake", GROUP))
    installed.append(registry_module.BUILT_IN[0])  # the product's own metadata may list it too
    registry = _registry(context)
    assert registry.names() == ("fake", "faster_whisper")
    assert isinstance(registry.get("fake"), Fake)


def test_a_provider_that_cannot_be_loaded_is_listed_with_the_reason(
    context: ProviderContext, installed: list[EntryPoint]
) -> None:
    installed.append(EntryPoint("broken", "no_such_package.provider:Broken", GROUP))
    registry = _registry(context)
    with pytest.raises(ProviderUnavailable, match="no_such_package"):
        registry.get("broken")
    described = registry.describe()[0]
    assert (described["name"], described["available"]) == ("broken", False)
    assert "no_such_package" in described["reason"]
    assert described["mend"]
    assert set(described) == set(registry.describe()[1])


def test_two_providers_of_one_name_are_a_mistake(context: ProviderContext, installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("faster_whisper", "elsewhere:Other", GROUP))
    with pytest.raises(ValueError, match="Two providers"):
        _registry(context)


def test_a_provider_that_calls_itself_otherwise_is_a_mistake(context: ProviderContext) -> None:
    with pytest.raises(ValueError, match="'parrot' calls itself 'fake'"):
        _registry(context, parrot=Fake).get("parrot")


@pytest.mark.parametrize("name", ["providers.base", "providers.registry", "providers.faster_whisper", "providers.fake"])
def test_importing_a_provider_imports_no_inference_library(name: str) -> None:
    script = (
        f"import sys, {name}; "
        "print([name for name in ('ctranslate2', 'faster_whisper', 'onnxruntime', 'av') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_step_is_done_by_whoever_was_chosen_when_the_job_was_checked(context: ProviderContext) -> None:
    registry = Registry(
        context.settings,
        context.weights,
        context.engine,
        extra={"fake": Fake},
        steps=Extra(punctuators={"fake_punctuator": FakePunctuator}, aligners={"fake_aligner": FakeAligner}),
    )
    request = TranscribeRequest(provider="fake", language="fr", alignment=StepOptions(enabled=True))
    options = registry.check(request)
    assert registry.spoken(request, options) == ("fr",)
    chosen = registry.aligner(request, registry.spoken(request, options))
    assert chosen is not None
    assert chosen.name == "whisper"
    translated = TranscribeRequest(
        provider="fake",
        language="fr",
        task="translate",
        punctuation=StepOptions(enabled=True, provider="fake_punctuator"),
    )
    registry.check(translated)  # it knows no French, and writes English


def test_a_named_provider_has_to_know_all_that_may_be_spoken(context: ProviderContext) -> None:
    registry = Registry(
        context.settings,
        context.weights,
        context.engine,
        extra={"fake": Fake},
        steps=Extra(aligners={"fake_aligner": FakeAligner}),
    )
    named = StepOptions(enabled=True, provider="fake_aligner")
    with pytest.raises(UnsupportedOption, match="name the language") as caught:
        registry.check(TranscribeRequest(provider="fake", alignment=named))
    assert caught.value.field == "language"
    with pytest.raises(UnsupportedOption, match="does not know the language") as caught:
        registry.check(TranscribeRequest(provider="fake", language="fr", alignment=named))
    assert caught.value.field == "alignment.provider"
    registry.check(TranscribeRequest(provider="fake", language="de", alignment=named))
