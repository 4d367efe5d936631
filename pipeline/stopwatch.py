"""Seconds of work, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.waiting import waited


@dataclass
class Stopwatch:
    """Adds up what each stage took in this thread; waiting for a turn on the device does not count as work."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block as work of ``name``."""
        began, waited_before = time.perf_counter(), waited()
        try:
            yield
        finally:
            worked = time.perf_counter() - began - (waited() - waited_before)
            self.seconds[name] = round(self.seconds.get(name, 0.0) + worked, 3)
