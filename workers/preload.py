"""Loading the models that the settings name, beside whatever the worker does meanwhile."""

from __future__ import annotations

import threading
from typing import Protocol, runtime_checkable

import structlog

from pipeline.runtime import Runtime
from speech.errors import ModelNotFound, SpeechError

log = structlog.get_logger(__name__)


@runtime_checkable
class Preloading(Protocol):
    """A provider that can load a model before it is asked for."""

    def preload(self, model: str) -> None:
        """Load the model, so that the first job finds it in memory."""


def preload(runtime: Runtime) -> threading.Thread | None:
    """Load ``preload_models`` in the background; the thread that does, or None when there is nothing to load."""
    if not runtime.settings.preload_models:
        return None
    thread = threading.Thread(target=_load_all, args=(runtime,), name="preload", daemon=True)
    thread.start()
    return thread


def _load_all(runtime: Runtime) -> None:
    for model in runtime.settings.preload_models:
        try:
            _load(runtime, model)
        except SpeechError as reason:
            log.warning("a model could not be loaded ahead", model=model, reason=reason.message)
        else:
            log.info("model loaded ahead", model=model)


def _load(runtime: Runtime, model: str) -> None:
    """Load it with the first provider that has models in memory and knows this one."""
    unknown = ModelNotFound(f"No provider that keeps models in memory has a model {model!r}.")
    for name in runtime.registry.names():
        recogniser = runtime.registry.get(name)
        if not isinstance(recogniser, Preloading):
            continue
        try:
            return recogniser.preload(model)
        except ModelNotFound as reason:
            unknown = reason
    raise unknown
