"""Turns on a device: so many at once, first come first served, given up when the waiter's job is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.waiting import Cancelled, Line


class Slots:
    """``count`` turns that threads take in the order in which they asked."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError("A device needs at least one slot.")
        self.count = count
        self._changed = threading.Condition()
        self._line = Line(self._changed)
        self._busy = 0

    @property
    def busy(self) -> int:
        """Turns taken now."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Threads that wait for a turn now."""
        return len(self._line)

    @contextmanager
    def turn(self, cancelled: Cancelled | None = None) -> Iterator[None]:
        """Hold one turn.

        Raises:
            JobCancelled: when ``cancelled`` says so before the turn came.

        """
        self._line.pass_through(self._take, cancelled)
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _take(self) -> bool:
        if self._busy >= self.count:
            return False
        self._busy += 1
        return True
