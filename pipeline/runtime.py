"""What a process needs to do the work: settings, storage, weights, engine, providers, voice activity; opened once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from audio.vad import VoiceActivity
from engine.engine import Engine
from pipeline.spools import SpoolFolder
from providers.registry import Registry
from speech.settings import Settings
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
    portal: BlockingPortal
    _close: list[Callable[[], object]] = field(default_factory=list)

    @classmethod
    def open(cls, settings: Settings, *, registry: Registry | None = None, allow_paths: bool = False) -> Runtime:
        """Open everything; nothing is loaded yet.

        ``registry`` may bring other providers (tests). With ``allow_paths`` models may be named by any folder: for
        people at their own machine, not for requests of others.
        """
        weights = WeightStore.from_settings(settings, allow_paths=allow_paths)
        engine = Engine.from_settings(settings)
        manager = start_blocking_portal("asyncio")
        runtime = cls(
            settings=settings,
            store=Store.open(settings),
            weights=weights,
            engine=engine,
            registry=registry or Registry(settings, weights, engine),
            spools=SpoolFolder.claim(settings.spool),
            portal=manager.__enter__(),
        )
        runtime._close.append(functools.partial(manager.__exit__, None, None, None))
        return runtime

    @functools.cached_property
    def voice_activity(self) -> VoiceActivity:
        """The voice activity model, loaded at its first use and shared by all threads."""
        return VoiceActivity.load()

    def wait(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine of the storage on the runtime's event loop and wait for it, from any other thread."""
        try:
            return self.portal.start_task_soon(_finish, work).result()
        except CancelledError:
            work.close()
            raise

    def close(self) -> None:
        """Close the storage, unload the models, remove the spools."""
        self.wait(self.store.close())
        self.engine.close()
        self.spools.release()
        for close in self._close:
            close()


async def _finish(work: Coroutine[object, object, T]) -> T:
    return await work
