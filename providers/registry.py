"""Who can recognise: found by name, checked against the request and the data policy, described for clients.

Built-in providers and those of other packages come through one door: entry points of the group
``world_of_asr.providers``, each naming a class that is made with a `ProviderContext`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from engine.engine import Engine
from providers.base import Availability, Recogniser, RecognitionOptions
from providers.context import ProviderContext as ProviderContext
from speech.errors import PolicyRefused, ProviderUnavailable, SpeechError, UnknownProvider
from speech.options import TranscribeRequest
from speech.settings import Settings
from weights.store import WeightStore

GROUP = "world_of_asr.providers"
BUILT_IN = (EntryPoint("faster_whisper", "providers.faster_whisper:FasterWhisper", GROUP),)

Maker = Callable[[ProviderContext], Recogniser]
"""What makes a provider: its class, mostly."""


class Registry:
    """The providers of one process, each made when it is first asked for; for many threads at once.

    ``extra`` are providers beside the installed ones, by name: for tests and for programs that embed the product.
    """

    def __init__(
        self,
        settings: Settings,
        weights: WeightStore,
        engine: Engine,
        *,
        extra: Mapping[str, Maker] | None = None,
    ) -> None:
        self._context = ProviderContext(settings, weights, engine)
        self._makers = {point.name: point.load for point in _points(entry_points(group=GROUP))}
        self._extra = dict(extra or {})
        self._made: dict[str, Recogniser] = {}
        self._making = threading.RLock()

    def names(self) -> tuple[str, ...]:
        """The providers that may be asked for, sorted."""
        return tuple(sorted({*self._makers, *self._extra}))

    def get(self, name: str) -> Recogniser:
        """The provider of that name.

        Raises:
            UnknownProvider: when there is none.
            ProviderUnavailable: when its code cannot be loaded here.

        """
        with self._making:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def check(self, request: TranscribeRequest) -> RecognitionOptions:
        """The request as options of its provider; refuses, before any work, what cannot or may not be done.

        Raises:
            UnknownProvider: naming the field ``provider``.
            PolicyRefused: when audio must stay here and the provider would send it away.
            UnsupportedOption, ModelNotFound: naming the field.
            ProviderUnavailable: when the provider's code cannot be loaded here.

        """
        provider = self.get(request.provider)
        local_only = "local_only" in (request.data_policy, self._context.settings.data_policy)
        if local_only and not provider.capabilities.local:
            raise PolicyRefused(
                f"provider: {provider.name} sends audio to a cloud, and the data policy is local_only.", "provider"
            )
        return provider.check(request)

    def describe(self) -> list[dict[str, Any]]:
        """Every provider as plain data, for clients and people: what it can do, and whether it can do it here."""
        return [self._described(name) for name in self.names()]

    def _make(self, name: str) -> Recogniser:
        if name not in self._makers and name not in self._extra:
            raise UnknownProvider(f"There is no provider {name!r}: there are {', '.join(self.names())}.", "provider")
        try:
            maker = self._extra[name] if name in self._extra else self._makers[name]()
        except (ImportError, AttributeError) as error:
            raise ProviderUnavailable(f"The provider {name} cannot be loaded: {error}.", name) from error
        made: Recogniser = maker(self._context)
        if made.name != name:
            raise ValueError(f"The provider registered as {name!r} calls itself {made.name!r}.")
        return made

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


def _points(installed: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Built-in and installed entry points; a name that two packages give is nobody's, so it is refused."""
    points = list(BUILT_IN)
    for point in installed:
        same = next((known for known in points if known.name == point.name), None)
        if same is None:
            points.append(point)
        elif same.value != point.value:
            raise ValueError(f"Two providers are called {point.name!r}: {same.value} and {point.value}.")
    return points


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
