"""What a recogniser is: capabilities as data, one check before any work, one method for authors to write.

A provider never retries, never logs secrets, and turns its SDK's errors into ours in one place; exceptions that it
does not know pass untouched, since a bug is not a network fault.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from audio.samples import SAMPLE_RATE as SAMPLE_RATE
from audio.samples import Samples as Samples
from providers.role import Availability as Availability
from providers.role import never
from speech.errors import UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Recognition, Segment


class Parameters(BaseModel):
    """A provider's own options; subclasses declare them, and nothing else is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, as data: checked before work, listed by the API, shown to people."""

    local: bool
    """Audio stays on this server's own machines."""
    languages: tuple[str, ...]
    """ISO 639 codes that it recognises, over all its models."""
    detects_language: bool = False
    translates_to_english: bool = False
    word_timestamps: bool = False
    confidences: bool = False
    initial_prompt: bool = False
    hotwords: bool = False
    streaming: bool = False


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that may be asked for by ``name``. ``languages`` are ISO 639 codes."""

    name: str
    languages: tuple[str, ...]
    installed: bool
    source: str
    size_bytes: int | None = None
    digest: str | None = None
    default: bool = False


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What one recognition is asked for, already checked. ``language`` None means: detect it."""

    model: str
    language: str | None = None
    task: str = "transcribe"
    word_timestamps: bool = True
    initial_prompt: str | None = None
    hotwords: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=Parameters)


def _unheard(position: float, segment: Segment) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Watch:
    """The caller's ear while a recognition runs: ``cancelled`` is asked between segments; ``heard`` is told each
    new segment and how many seconds of the piece are done."""

    cancelled: Callable[[], bool] = never
    heard: Callable[[float, Segment], None] = _unheard


class Recogniser(ABC):
    """Audio in, segments with words out. One instance serves many threads at once."""

    name: ClassVar[str]
    """As in requests; lower case, the file's name."""
    title: ClassVar[str]
    """As people read it."""
    version: ClassVar[str]
    """Raised when the adapter's output changes: part of the cache key."""
    capabilities: ClassVar[Capabilities]
    parameters_model: ClassVar[type[Parameters]] = Parameters

    def check(self, request: TranscribeRequest) -> RecognitionOptions:
        """Turn a request into options for this provider.

        Raises:
            UnsupportedOption: naming the field, for anything that this provider or the model cannot do.
            ModelNotFound: when there is no such model.

        """
        _check_capabilities(self.name, self.capabilities, request)
        model = request.model or self.default_model()
        self._check_model(model, request)
        return RecognitionOptions(
            model=model,
            language=None if request.language == "auto" else request.language,
            task=request.task,
            word_timestamps=request.word_timestamps and self.capabilities.word_timestamps,
            initial_prompt=request.initial_prompt,
            hotwords=tuple(request.hotwords),
            parameters=self._parameters(request.parameters),
        )

    def recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch | None = None) -> Recognition:
        """Recognise one piece of audio; positions in the answer are relative to its start.

        Raises:
            ProviderError: translated from the engine's or SDK's own errors.
            JobCancelled: when ``watch.cancelled`` said so.

        """
        return self._recognise(samples, options, watch or Watch())

    @abstractmethod
    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition: ...

    @abstractmethod
    def _check_model(self, model: str, request: TranscribeRequest) -> None:
        """Raise ModelNotFound, or UnsupportedOption when this model cannot do what is asked (a language, say)."""

    @abstractmethod
    def default_model(self) -> str:
        """The model for requests that name none."""

    @abstractmethod
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that may be asked for."""

    def languages(self, model: str) -> tuple[str, ...]:
        """ISO 639 codes of what this model recognises."""
        return self.capabilities.languages

    @abstractmethod
    def availability(self) -> Availability:
        """Whether this provider can work here; quick, never over the network."""

    @abstractmethod
    def digest(self, model: str) -> str:
        """Identity of the weights (``sha256:...``) or of a cloud model's revision: part of the cache key.

        Fetches the weights when they are not on disk yet.
        """

    def engine_version(self) -> str:
        """Version of the library underneath: part of the cache key."""
        return ""

    def _parameters(self, given: dict[str, Any]) -> Parameters:
        try:
            return self.parameters_model.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in ("parameters", *first["loc"]))
            raise UnsupportedOption(f"{where}: {first['msg']} (provider {self.name})", where) from None


def _check_capabilities(name: str, can: Capabilities, request: TranscribeRequest) -> None:
    refusals = (
        (
            "language",
            request.language == "auto" and not can.detects_language,
            "cannot detect the language: name it",
        ),
        (
            "language",
            request.language != "auto" and request.language not in can.languages,
            f"does not know the language {request.language!r}",
        ),
        ("task", request.task == "translate" and not can.translates_to_english, "does not translate"),
        ("word_timestamps", _wants_words(request) and not can.word_timestamps, "gives no word times"),
        ("initial_prompt", bool(request.initial_prompt) and not can.initial_prompt, "takes no prompt"),
        ("hotwords", bool(request.hotwords) and not can.hotwords, "takes no hotwords"),
    )
    for where, refused, why in refusals:
        if refused:
            raise UnsupportedOption(f"{where}: {name} {why}.", where)


def _wants_words(request: TranscribeRequest) -> bool:
    """Whether word times were asked for in so many words: by default they come where they are offered."""
    return request.word_timestamps and "word_timestamps" in request.model_fields_set
