"""Who has a job's model in memory: that worker has the first try at it, for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from storage.store import Store
from storage.workers import WorkerBeat

MOMENT_SECONDS = 0.4
"""How long a run waits for a worker that has its model: less than loading one takes, more than a claim does."""
KEPT_SECONDS = 2.0
"""As often as workers beat."""


@dataclass
class Affinity:
    """What this worker and the others have in memory, as far as this one knows.

    A model counts as loaded from the first run that used it until it has been idle for as long as the engine keeps it.
    """

    store: Store
    worker_id: str
    pool: str
    idle_seconds: float
    clock: Callable[[], float] = time.monotonic
    claims: int = 0
    hits: int = 0
    _used_at: dict[str, float] = field(default_factory=dict)
    _others: list[WorkerBeat] = field(default_factory=list)
    _read_at: float = -KEPT_SECONDS

    @property
    def warm(self) -> tuple[str, ...]:
        """The models that this worker has in memory."""
        if self.idle_seconds > 0:
            limit = self.clock() - self.idle_seconds
            self._used_at = {model: at for model, at in self._used_at.items() if at > limit}
        return tuple(self._used_at)

    def used(self, model: str) -> None:
        """A run with this model was taken; whether it found the model is counted."""
        self.claims += 1
        self.hits += model in self.warm
        self._used_at[model] = self.clock()

    def lost(self) -> None:
        """The process died that had the models."""
        self._used_at.clear()

    async def look(self, models: Iterable[str]) -> None:
        """Look at the other workers, when some of the models are not loaded here."""
        if set(models) <= set(self.warm) or self.clock() - self._read_at < KEPT_SECONDS:
            return
        online = await self.store.workers.online()
        self._others = [beat for beat in online if beat.worker_id != self.worker_id and beat.pool == self.pool]
        self._read_at = self.clock()

    def better_elsewhere(self, model: str) -> bool:
        """Whether another worker has the model loaded, and room, while this one has not."""
        if model in self.warm:
            return False
        able = [beat for beat in self._others if beat.busy < beat.slots and beat.is_well]
        return any(model in beat.details.get("warm", ()) for beat in able)
