"""Waiting for something that another thread brings about, without outstaying a cancelled job."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from speech.errors import JobCancelled

_own = threading.local()

CANCEL_SECONDS = 0.1
"""How often a waiter asks whether it is still wanted."""

Cancelled = Callable[[], bool]


def waited() -> float:
    """Seconds that this thread has spent in lines so far: what it took from them is waiting, not work."""
    return getattr(_own, "waited", 0.0)


class Line:
    """Waiters in the order in which they came: only the first may go on, and only when it is ready."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._tickets: deque[object] = deque()

    def __len__(self) -> int:
        return len(self._tickets)

    def pass_through(self, ready: Callable[[], bool], cancelled: Cancelled | None) -> None:
        """Wait for one's turn and for ``ready``, which is asked under the condition's lock and takes what it finds.

        Raises:
            JobCancelled: when ``cancelled`` says so first. It is asked without the lock, since it may be slow.

        """
        ticket = object()
        with self._changed:
            self._tickets.append(ticket)
        began = time.perf_counter()
        try:
            wait_until(self._changed, lambda: self._tickets[0] is ticket and ready(), cancelled)
        finally:
            _own.waited = waited() + time.perf_counter() - began
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()


def wait_until(changed: threading.Condition, ready: Callable[[], bool], cancelled: Cancelled | None) -> None:
    """Wait until ``ready``, asked under the lock of ``changed``, is true.

    Raises:
        JobCancelled: when ``cancelled`` says so first.

    """
    while True:
        with changed:
            if ready():
                return
            changed.wait(None if cancelled is None else CANCEL_SECONDS)
        if cancelled is not None and cancelled():
            raise JobCancelled("The job was cancelled while it waited for the device.")
