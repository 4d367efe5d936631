"""One engine a device: the models in its memory, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.device import Device, detect
from engine.pool import ModelPool, PoolStats
from engine.slots import Slots
from engine.waiting import Cancelled
from speech.settings import Settings


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The engine at this moment: model calls running and waiting, the age of
    the oldest that runs, and the pool's counters."""

    slots: int
    busy: int
    waiting: int
    longest_call_seconds: float
    pool: PoolStats


class Engine:
    """A device with its models. Cheap to make: nothing is loaded, and no inference library is imported."""

    def __init__(self, device: Device, pool: ModelPool, slots: int = 1) -> None:
        self.device = device
        self.pool = pool
        self.slots = slots
        self._turns = Slots(slots)

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        """The engine of the device that the settings mean.

        Raises:
            ValueError: when ``compute_type`` is none that CTranslate2 has.

        """
        device = detect(settings)
        memory = settings.model_memory_bytes or max(1, device.memory_bytes // 2)
        return cls(device, ModelPool(memory, settings.model_idle_seconds), settings.model_slots)

    @contextmanager
    def slot(self, cancelled: Cancelled | None = None) -> Iterator[None]:
        """Hold one of the device's turns, for one call of a model: waiting, fetching and rendering hold none.

        Turns come in the order in which they were asked for, so that a short job takes its turns between those
        of a long one.

        Raises:
            JobCancelled: when ``cancelled`` says so before the turn came.

        """
        with self._turns.turn(cancelled):
            yield

    def stats(self) -> EngineStats:
        """What the engine does now, and did since it was made."""
        turns = self._turns
        return EngineStats(self.slots, turns.busy, turns.waiting, turns.longest, self.pool.stats())

    def close(self) -> None:
        """Unload the models as soon as nobody uses them; lend none any more."""
        self.pool.close()
