"""Waiting for something that another thread brings about, without outstaying a cancelled job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from speech.errors import JobCancelled

_own = threading.local()

CANCEL_SECONDS = 0.1
"""How often a waiter asks whether it is still wanted."""

Cancelled = Callable[[], bool]


def waited() -> float:
    """Seconds that this thread has spent in lines so far: what it took from them is waiting, not work."""
    return getattr(_own, "waited", 0.0)


def _who_came_first(tickets: Sequence[Any]) -> Any:
    return tickets[0]


class Line:
    """Waiters, in the order in which they came: one alone may go on, the first, and only when it is ready.

    ``next_of`` may choose another one than the first.
    """

    def __init__(self, changed: threading.Condition, next_of: Callable[[Sequence[Any]], Any] = _who_came_first) -> None:
        self._changed = changed
        self._next_of = next_of
        self._tickets: list[Any] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def pass_through(
        self, ready: Callable[[], bool], cancelled: Cancelled | None, ticket: object | None = None
    ) -> None:
        """Wait for one's turn and for ``ready``, which is asked under the condition's lock and takes what it finds.

        ``ticket`` is what ``next_of`` is shown of this waiter.

        Raises:
            JobCancelled: when ``cancelled`` says so first. It is asked without the lock, since it may be slow.

        """
        ticket = ticket if ticket is not None else object()
        with self._changed:
            self._tickets.append(ticket)
        began = time.perf_counter()
        try:
            wait_until(self._changed, lambda: self._next_of(self._tickets) is ticket and ready(), cancelled)
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
