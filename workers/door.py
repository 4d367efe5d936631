"""A device process's door for live servers: what they ask over the engine's socket is recognised here, before jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from engine.asking import Asked, Limits
from engine.errors import DeadlinePassed
from engine.server import EngineServer
from engine.slots import LIVE, Standing, standing
from pipeline.looping import LoopThread
from pipeline.runtime import Runtime
from providers.base import Watch
from providers.registry import Registry
from speech.errors import JobCancelled, UnsupportedOption
from speech.options import TranscribeRequest
from speech.settings import Settings
from speech.transcript import Recognition

log = structlog.get_logger(__name__)

FOLDER = "engines"
OPTIONS = frozenset(
    {
        "provider",
        "model",
        "language",
        "task",
        "word_timestamps",
        "initial_prompt",
        "hotwords",
        "parameters",
        "data_policy",
    }
)
"""The fields of a request that mean something for one piece of audio."""


@dataclass(frozen=True, slots=True)
class Door:
    """The socket and the thread that serves it."""

    _server: EngineServer
    _loop: LoopThread

    @classmethod
    def open(cls, runtime: Runtime) -> Door | None:
        """Listen in the settings' folder; None, and a line in the log, where that cannot be: jobs need no socket."""
        settings = runtime.settings
        if not settings.engine_connections:
            return None
        loop = LoopThread("engine-socket")
        handler = LiveHandler(runtime.registry)
        try:
            server = loop.wait(EngineServer.open(settings.run / FOLDER, handler, limits_of(settings)))
        except OSError as reason:
            log.warning("no live server can reach this engine", folder=str(settings.run), reason=str(reason))
            loop.close()
            return None
        return cls(server, loop)

    @property
    def path(self) -> Path:
        """Where it listens."""
        return self._server.path

    @property
    def busy(self) -> int:
        """Live requests under way."""
        return self._server.busy

    def close(self) -> None:
        """Listen no more; what is under way is dropped."""
        self._loop.wait(self._server.close())
        self._loop.close()


def limits_of(settings: Settings) -> Limits:
    """How much live servers may ask of one device process."""
    return Limits(settings.engine_connections, settings.engine_requests, settings.engine_audio_seconds)


@dataclass(frozen=True, slots=True)
class LiveHandler:
    """Recognises what live servers ask, each call of a model before those of jobs."""

    registry: Registry

    def __call__(self, asked: Asked) -> Recognition:
        """The words of one request.

        Raises:
            DeadlinePassed: when it expired before it was begun.
            JobCancelled: when nobody wants it any more.
            SpeechError: as the registry and the provider do.

        """
        request = read_options(asked.options)
        options = self.registry.check(request)
        recogniser = self.registry.get(request.provider)
        of = Standing(LIVE, asked.owner, asked.deadline, asked.expires)

        def late() -> bool:
            return of.late(time.monotonic())

        try:
            with standing(of):
                return recogniser.recognise(asked.samples, options, Watch(lambda: asked.cancelled() or late()))
        except JobCancelled:
            if late() and not asked.cancelled():
                raise DeadlinePassed("The deadline had passed before the device had time.") from None
            raise


def read_options(options: dict[str, Any]) -> TranscribeRequest:
    """The request that a live server means.

    Raises:
        UnsupportedOption: naming the field that is wrong, or means nothing for one piece of audio.

    """
    strange = sorted(options.keys() - OPTIONS)
    if strange:
        raise UnsupportedOption(f"{strange[0]}: it means nothing for one piece of audio.", strange[0])
    try:
        return TranscribeRequest.model_validate(options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnsupportedOption(f"{where}: {first['msg']}.", where) from None
