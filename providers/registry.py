"""Who can recognise, diarize, align and punctuate: found by name, checked against the request and the data policy,
described for clients.

Built-in providers and those of other packages come through one door (providers/roster.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint
from typing import Any

from engine.engine import Engine
from providers.aligner import Aligner
from providers.base import Availability, Recogniser, RecognitionOptions
from providers.context import ProviderContext as ProviderContext
from providers.diarizer import Diarizer, VoiceModel
from providers.punctuator import Punctuator
from providers.roster import Maker, Roster
from providers.step_choice import StepChoice, Wish
from speech.errors import PolicyRefused, ProviderUnavailable, SpeechError, UnsupportedOption
from speech.options import DiarizationOptions, StepOptions, TranscribeRequest
from speech.settings import Settings
from weights.store import WeightStore

GROUP = "world_of_asr.providers"
BUILT_IN = (EntryPoint("faster_whisper", "providers.faster_whisper:FasterWhisper", GROUP),)
DIARIZERS = "world_of_asr.diarizers"
BUILT_IN_DIARIZERS = (EntryPoint("pyannote", "providers.pyannote_diarizer:PyannoteDiarizer", DIARIZERS),)
VOICE_MODELS = "world_of_asr.voice_models"
BUILT_IN_VOICE_MODELS = (EntryPoint("pyannote", "providers.pyannote_diarizer:PyannoteDiarizer", VOICE_MODELS),)
"""Named like the diarizers whose voices are vectors of theirs."""
ALIGNERS = "world_of_asr.aligners"
BUILT_IN_ALIGNERS: tuple[EntryPoint, ...] = (
    EntryPoint("whisper", "providers.whisper_aligner:WhisperAligner", ALIGNERS),
    EntryPoint("pocketsphinx", "providers.pocketsphinx_aligner:PocketsphinxAligner", ALIGNERS),
    EntryPoint("ctc", "providers.ctc_aligner:CtcAligner", ALIGNERS),
)
PUNCTUATORS = "world_of_asr.punctuators"
BUILT_IN_PUNCTUATORS: tuple[EntryPoint, ...] = (
    EntryPoint("punctuators", "providers.punctuators_onnx:Punctuators", PUNCTUATORS),
    EntryPoint("offline", "providers.offline_punctuation:Offline", PUNCTUATORS),
    EntryPoint("openai_chat", "providers.openai_chat:OpenAIChat", PUNCTUATORS),
)
"""Built-in providers of each role; the first that can is taken where a request names none. A model that the operator
chose comes before what is there by itself, and what leaves the machine comes last."""


@dataclass(frozen=True, slots=True)
class Extra:
    """Providers of steps beside the installed ones, by name."""

    diarizers: Mapping[str, Maker[Diarizer]] = field(default_factory=dict)
    voices: Mapping[str, Maker[VoiceModel]] = field(default_factory=dict)
    aligners: Mapping[str, Maker[Aligner]] = field(default_factory=dict)
    punctuators: Mapping[str, Maker[Punctuator]] = field(default_factory=dict)


class Registry:
    """The providers of one process, each made when it is first asked for; for many threads at once.

    ``extra`` are recognisers beside the installed ones, by name, and ``steps`` providers of the other roles: for tests
    and for programs that embed the product.
    """

    def __init__(
        self,
        settings: Settings,
        weights: WeightStore,
        engine: Engine,
        *,
        extra: Mapping[str, Maker[Recogniser]] | None = None,
        steps: Extra | None = None,
    ) -> None:
        context = ProviderContext(settings, weights, engine)
        more = steps or Extra()
        self._context = context
        self._recognisers = Roster(GROUP, BUILT_IN, context, "provider", extra)
        self.diarizers = StepChoice(
            Roster(DIARIZERS, BUILT_IN_DIARIZERS, context, "diarization.provider", more.diarizers)
        )
        self.voices = StepChoice(
            Roster(VOICE_MODELS, BUILT_IN_VOICE_MODELS, context, "diarization.provider", more.voices)
        )
        self.aligners = StepChoice(Roster(ALIGNERS, BUILT_IN_ALIGNERS, context, "alignment.provider", more.aligners))
        self.punctuators = StepChoice(
            Roster(PUNCTUATORS, BUILT_IN_PUNCTUATORS, context, "punctuation.provider", more.punctuators)
        )

    def names(self) -> tuple[str, ...]:
        """The recognisers that may be asked for, sorted."""
        return tuple(sorted(self._recognisers.names()))

    def get(self, name: str) -> Recogniser:
        """The recogniser of that name.

        Raises:
            UnknownProvider: when there is none.
            ProviderUnavailable: when its code cannot be loaded here.

        """
        return self._recognisers.get(name)

    def check(self, request: TranscribeRequest) -> RecognitionOptions:
        """The request as options of its recogniser; refuses, before any work, what cannot or may not be done.

        Raises:
            UnknownProvider: naming the field ``provider``, or that of a step.
            PolicyRefused: when audio or text must stay here and the provider would send it away.
            UnsupportedOption, ModelNotFound: naming the field; also when nobody here can do a step that is asked for.
            ProviderUnavailable: when the recogniser's code cannot be loaded here.

        """
        recogniser = self.get(request.provider)
        if self._local_only(request) and not recogniser.capabilities.local:
            raise PolicyRefused(
                f"provider: {recogniser.name} sends audio to a cloud, and the data policy is local_only.", "provider"
            )
        options = recogniser.check(request)
        for chosen in (self.diarizer, self.aligner, self.punctuator):
            chosen(request, self.spoken(request, options))
        return options

    def spoken(self, request: TranscribeRequest, options: RecognitionOptions) -> tuple[str, ...]:
        """The language that is spoken, or all that may be: those whom a step is chosen by, before and in the work."""
        return (options.language,) if options.language else self.get(request.provider).languages(options.model)

    def diarizer(self, request: TranscribeRequest, spoken: Collection[str]) -> Diarizer | None:
        """Who says who speaks; None when nobody is asked. ``spoken`` are the languages that may be.

        Raises:
            UnknownProvider, UnsupportedOption, PolicyRefused: as `check`.

        """
        asked = request.diarization
        return self.diarizers.choose(self._wish("diarization", asked, request, spoken)) if asked.enabled else None

    def voice_model(self, diarizer: str | None = None, field: str = "") -> VoiceModel:
        """Who turns voices into vectors: the one that goes with that diarizer, or the first that can.

        Raises:
            UnsupportedOption: naming ``field``, when nobody can here, with how to mend it.
            PolicyRefused: likewise, when audio must stay here and it would send it away.

        """
        if diarizer is not None and diarizer not in self.voices.roster.names():
            raise UnsupportedOption(f"Voices that {diarizer} tells apart cannot be compared with others.", field)
        local_only = self._context.settings.data_policy == "local_only"
        try:
            return self.voices.choose(Wish("identification", diarizer, (), local_only))
        except UnsupportedOption as refusal:
            raise type(refusal)(refusal.message, field) from refusal

    def aligner(self, request: TranscribeRequest, spoken: Collection[str]) -> Aligner | None:
        """Who aligns, likewise."""
        asked = request.alignment
        return self.aligners.choose(self._wish("alignment", asked, request, spoken)) if asked.enabled else None

    def punctuator(self, request: TranscribeRequest, spoken: Collection[str]) -> Punctuator | None:
        """Who punctuates, likewise; what is translated is written in English."""
        asked = request.punctuation
        spoken = ("en",) if request.task == "translate" else spoken
        return self.punctuators.choose(self._wish("punctuation", asked, request, spoken)) if asked.enabled else None

    def describe(self) -> list[dict[str, Any]]:
        """Every recogniser as plain data, for clients and people: what it can do, and whether it can do it here."""
        return [self._described(name) for name in self.names()]

    def describe_steps(self) -> dict[str, list[dict[str, Any]]]:
        """The providers of the other roles, likewise, by the part of a request that asks for them."""
        return {
            "diarization": self.diarizers.describe(),
            "alignment": self.aligners.describe(),
            "punctuation": self.punctuators.describe(),
        }

    def _local_only(self, request: TranscribeRequest) -> bool:
        return "local_only" in (request.data_policy, self._context.settings.data_policy)

    def _wish(
        self,
        part: str,
        asked: DiarizationOptions | StepOptions,
        request: TranscribeRequest,
        spoken: Collection[str],
    ) -> Wish:
        return Wish(part, asked.provider, tuple(spoken), self._local_only(request))

    def _described(self, name: str) -> dict[str, Any]:
        try:
            provider = self.get(name)
        except ProviderUnavailable as error:
            return _broken(name, error)
        models, default = _models(provider)
        return {
            "name": provider.name,
            "title": provider.title,
            "version": provider.version,
            "local": provider.capabilities.local,
            "capabilities": _abilities(provider),
            "languages": list(provider.capabilities.languages),
            "parameters": provider.parameters_model.model_json_schema(),
            "default_model": default,
            "models": models,
            **asdict(provider.availability()),
        }


def _broken(name: str, error: ProviderUnavailable) -> dict[str, Any]:
    """The description of a provider whose code cannot be loaded: the same fields, nothing in them."""
    return {
        "name": name,
        "title": name,
        "version": "",
        "local": False,
        "capabilities": {},
        "languages": [],
        "parameters": {},
        "default_model": None,
        "models": [],
        **asdict(Availability(False, error.message, "Install what the provider needs, or remove it.")),
    }


def _abilities(provider: Recogniser) -> dict[str, bool]:
    can = asdict(provider.capabilities)
    return {name: value for name, value in can.items() if name not in ("local", "languages")}


def _models(provider: Recogniser) -> tuple[list[dict[str, Any]], str | None]:
    """Models and default model; none where the provider cannot tell now."""
    try:
        return [asdict(model) for model in provider.models()], provider.default_model()
    except SpeechError:
        return [], None
