"""What a process needs to do the work: settings, storage, weights, engine, providers, voice activity; opened once."""

from __future__ import annotations

import functools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TypeVar

from audio.vad import VoiceActivity
from engine.engine import Engine
from pipeline.looping import LoopThread
from pipeline.spools import SpoolFolder
from providers.registry import Registry
from speech.errors import SpeechError
from speech.settings import Settings
from storage.errors import DatabaseUnusable
from storage.store import Store
from weights.store import WeightStore

T = TypeVar("T")


@dataclass(frozen=True)
class Runtime:
    """The parts that steps work with. Threads share it; the storage lives on an event loop of its own."""

    settings: Settings
    store: Store
    weights: WeightStore
    engine: Engine
    registry: Registry
    spools: SpoolFolder
    loop: LoopThread

    @classmethod
    def open(cls, settings: Settings, *, registry: Registry | None = None, allow_paths: bool = False) -> Runtime:
        """Open everything; nothing is loaded yet.

        ``registry`` may bring other providers (tests). With ``allow_paths`` models may be named by any folder: for
        people at their own machine, not for requests of others.
        """
        weights = WeightStore.from_settings(settings, allow_paths=allow_paths)
        engine = Engine.from_settings(settings)
        return cls(
            settings=settings,
            store=Store.open(settings),
            weights=weights,
            engine=engine,
            registry=registry or Registry(settings, weights, engine),
            spools=SpoolFolder.claim(settings.spool),
            loop=LoopThread("storage"),
        )

    @functools.cached_property
    def voice_activity(self) -> VoiceActivity:
        """The voice activity model, loaded at its first use and shared by all threads."""
        return VoiceActivity.load()

    def wait(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine of the storage on the runtime's event loop and wait for it, from any other thread.

        Raises:
            DatabaseUnusable: for whatever a driver raises; worth another try.

        """
        try:
            return self.loop.wait(work)
        except SpeechError:
            raise
        except Exception as error:
            raise DatabaseUnusable(f"The database could not be asked ({type(error).__name__}).") from error

    def close(self) -> None:
        """Close the storage, unload the models, remove the spools."""
        self.wait(self.store.close())
        self.engine.close()
        self.spools.release()
        self.loop.close()
