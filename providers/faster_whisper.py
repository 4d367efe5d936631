"""Whisper on this machine, by faster-whisper and CTranslate2.

Text is token-identical to bare faster-whisper with the same model and options. What is added: every call of the
network takes its turn on the device, a cancelled job stops between calls, and what cannot be speech (silence, steady
noise) gives no words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from audio.samples import Samples
from engine.device import default_whisper_model
from providers.base import Availability, Capabilities, ModelInfo, Recogniser, RecognitionOptions, Watch
from providers.context import ProviderContext
from providers.sound import may_be_speech
from providers.whisper_errors import NAME, translated
from providers.whisper_hearing import listen
from providers.whisper_loading import borrowed, for_one_job, languages_of
from providers.whisper_options import DETECTION_ONLY, WORDS_ONLY, WhisperParameters
from speech.errors import ModelNotFound, ModelUnavailable, UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Recognition
from weights.entries import CatalogEntry
from weights.languages import WHISPER_V3
from weights.layouts import WHISPER
from weights.store import Installed

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_NO_TRANSLATION = frozenset({"large-v3-turbo"})
"""Multilingual models that were not trained to translate."""


class FasterWhisper(Recogniser):
    """Whisper models of any size, on CPU or CUDA, one window after another or batched."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "faster-whisper"
    version: ClassVar[str] = "2"
    capabilities: ClassVar[Capabilities] = Capabilities(
        local=True,
        languages=tuple(sorted(WHISPER_V3)),
        detects_language=True,
        translates_to_english=True,
        word_timestamps=True,
        confidences=True,
        initial_prompt=True,
        hotwords=True,
    )
    parameters_model: ClassVar[type[WhisperParameters]] = WhisperParameters

    def __init__(self, context: ProviderContext) -> None:
        self._settings = context.settings
        self._weights = context.weights
        self._engine = context.engine

    def check(self, request: TranscribeRequest) -> RecognitionOptions:
        """As every provider, and: options that others of the request would make the engine ignore are refused."""
        options = super().check(request)
        given = _own(options)
        if given.prefix and options.hotwords:
            raise UnsupportedOption("hotwords: the engine ignores them when parameters.prefix is set.", "hotwords")
        if given.multilingual and (options.language or len(self.languages(options.model)) == 1):
            raise UnsupportedOption(
                "parameters.multilingual: it detects the language of every window, so leave the language on auto and "
                "choose a multilingual model.",
                "parameters.multilingual",
            )
        detecting = sorted(DETECTION_ONLY & given.model_fields_set)
        if detecting and (options.language or len(self.languages(options.model)) == 1):
            raise UnsupportedOption(
                f"parameters.{detecting[0]}: nothing is detected when the language is known; leave it on auto.",
                f"parameters.{detecting[0]}",
            )
        wordy = sorted(WORDS_ONLY & given.model_fields_set)
        if wordy and not options.word_timestamps:
            raise UnsupportedOption(f"parameters.{wordy[0]}: it needs word_timestamps.", f"parameters.{wordy[0]}")
        return options

    def default_model(self) -> str:
        """The operator's choice, else the best that the device runs well."""
        return default_whisper_model(self._engine.device, self._settings.default_model)

    def models(self) -> tuple[ModelInfo, ...]:
        """Every model of the catalog, and those that somebody put into the models folder."""
        default = self.default_model()
        found = {model.name: model for model in self._weights.list(WHISPER)}
        listed = [_listed(entry, found.pop(entry.name, None), default) for entry in self._weights.known(WHISPER)]
        own = tuple(_own_models(found.values(), default))
        if any(model.default for model in (*listed, *own)) or not self._weights.installed(default):
            return (*listed, *own)
        return (*listed, *own, self._outside(default))

    def availability(self) -> Availability:
        """Whether the libraries are installed and the device that the settings ask for is there."""
        missing = [name for name in ("faster_whisper", "ctranslate2") if find_spec(name) is None]
        if missing:
            return Availability(False, f"{' and '.join(missing)} cannot be imported.", "pip install faster-whisper")
        device = self._engine.device
        if not device.usable:
            return Availability(False, device.problem, "Mend the CUDA installation, or set WOA_DEVICE=cpu.")
        try:
            self._weights.check(self.default_model(), WHISPER)
        except ModelNotFound as error:
            return Availability(False, error.message, "Set WOA_DEFAULT_MODEL to a model that there is.")
        return Availability(True)

    def digest(self, model: str) -> str:
        """``sha256:...`` over the files of the model; fetches them when they are not on disk yet."""
        self._weights.path(model)
        return self._weights.digest(model)

    def engine_version(self) -> str:
        """The libraries, and what they compute in: both decide what is heard."""
        device = self._engine.device
        libraries = (f"{name} {version_of(name)}" for name in ("faster-whisper", "ctranslate2"))
        return f"{', '.join(libraries)}, {device.kind} {device.compute_type}"

    def preload(self, model: str) -> None:
        """Load a model, so that the first job finds it in memory.

        Raises:
            ModelNotFound: when there is no such model.
            ModelUnavailable: when its weights cannot be fetched or are broken.
            ProviderUnavailable: when the device cannot run it.

        """
        with self._borrowed(model, Watch()):
            return

    def _check_model(self, model: str, request: TranscribeRequest) -> None:
        self._weights.check(model, WHISPER)
        languages = self.languages(model)
        if request.language not in ("auto", *languages):
            raise UnsupportedOption(
                f"language: the model {model} does not know the language {request.language!r}.", "language"
            )
        entry = self._weights.entry(model)
        if request.task == "translate" and (len(languages) == 1 or (entry and entry.name in _NO_TRANSLATION)):
            raise UnsupportedOption(
                f"task: the model {model} does not translate; name a multilingual model such as large-v3 or base.",
                "task",
            )

    def languages(self, model: str) -> tuple[str, ...]:
        """Those of the catalog, or of the vocabulary of a model that somebody put into the folder."""
        entry = self._weights.entry(model)
        return entry.languages if entry else languages_of(self._weights.path(model))

    def _outside(self, path: str) -> ModelInfo:
        """The default model where the operator keeps it elsewhere."""
        folder = self._weights.path(path)
        size = sum(file.stat().st_size for file in folder.iterdir())
        return ModelInfo(path, languages_of(folder), True, "folder", size, self._weights.digest(path), default=True)

    def _borrowed(self, model: str, watch: Watch) -> AbstractContextManager[WhisperModel]:
        """The model for one recognition: a context manager that keeps it in memory as long as it is used."""
        return borrowed(self._engine, self._weights, model, watch.cancelled)

    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition:
        audio = np.ascontiguousarray(samples, dtype=np.float32)
        languages = self.languages(options.model)
        language = languages[0] if len(languages) == 1 else options.language
        if not may_be_speech(audio):
            return Recognition((), language)
        known = replace(options, language=language)
        with self._borrowed(options.model, watch) as model, translated():
            return listen(for_one_job(model, self._engine, watch), audio, known, _own(options), watch)


def _listed(entry: CatalogEntry, here: Installed | None, default: str) -> ModelInfo:
    """A model of the catalog, as it is here or as it would come."""
    return ModelInfo(
        name=entry.name,
        languages=entry.languages,
        installed=here is not None,
        source=here.source if here else "hub" if entry.hub else "wheel",
        size_bytes=here.size_bytes if here else entry.size_bytes,
        digest=here.digest if here else None,
        default=default in (entry.name, *entry.aliases),
    )


def _own_models(found: Iterable[Installed], default: str) -> Iterator[ModelInfo]:
    """Whisper models that somebody put into the folder; what has no vocabulary is none."""
    for here in found:
        with suppress(ModelUnavailable):
            yield ModelInfo(
                here.name,
                languages_of(here.path),
                True,
                here.source,
                here.size_bytes,
                here.digest,
                here.name == default,
            )


def _own(options: RecognitionOptions) -> WhisperParameters:
    """The options of this provider; the defaults for a caller who gave none."""
    given = options.parameters
    return given if isinstance(given, WhisperParameters) else WhisperParameters()
