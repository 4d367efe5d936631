"""What every provider is made with."""

from __future__ import annotations

from dataclasses import dataclass

from engine.engine import Engine
from speech.settings import Settings
from weights.store import WeightStore


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """The operator's settings, where models lie, and the device with what is loaded on it."""

    settings: Settings
    weights: WeightStore
    engine: Engine
