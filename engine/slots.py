"""Turns on a device: so many at once, the most urgent first, owners in fair shares; given up when a job is cancelled.

Urgency is a rank (live before express, normal and low), then a deadline. Among equals, the owner goes next whose calls
have taken the least of the device so far: one who has a thousand files waiting does not shut out one who has one.
Whoever comes anew starts where the others are, so that nobody saves up a claim by having been away
(start-time fair queueing, Goyal, Vin and Cheng 1996).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count

from engine.waiting import Cancelled, Line

LIVE = -1
"""The rank of those who are listened to while they speak; jobs have 0 (express), 1 (normal), 2 (low)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks for the device: a smaller ``rank`` goes first, then an earlier ``deadline``, in the seconds of
    `time.monotonic`."""

    rank: int = 1
    owner: str = ""
    deadline: float = math.inf


ANYBODY = Standing()
_standing: ContextVar[Standing] = ContextVar("woa_standing", default=ANYBODY)


@contextmanager
def standing(of: Standing) -> Iterator[None]:
    """Let the calls inside the block be made by that standing."""
    token = _standing.set(of)
    try:
        yield
    finally:
        _standing.reset(token)


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    standing: Standing
    number: int


class Slots:
    """``count`` turns that threads take, each by the standing of its context."""

    def __init__(self, places: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if places < 1:
            raise ValueError("A device needs at least one slot.")
        self.count = places
        self._clock = clock
        self._changed = threading.Condition()
        self._line = Line(self._changed, self._next_of)
        self._numbers = count()
        self._used: dict[str, float] = {}
        self._holding: dict[str, int] = {}
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
        mine = _standing.get()
        self._arrive(mine.owner)
        try:
            self._line.pass_through(self._take, cancelled, _Ticket(mine, next(self._numbers)))
        except BaseException:
            self._go(mine.owner)
            raise
        began = self._clock()
        try:
            yield
        finally:
            self._go(mine.owner, self._clock() - began, turned=True)

    def _next_of(self, tickets: Sequence[_Ticket]) -> _Ticket:
        return min(tickets, key=self._urgency)

    def _urgency(self, ticket: _Ticket) -> tuple[float, float, float, int]:
        of = ticket.standing
        return of.rank, of.deadline, self._used.get(of.owner, 0.0), ticket.number

    def _take(self) -> bool:
        if self._busy >= self.count:
            return False
        self._busy += 1
        return True

    def _arrive(self, owner: str) -> None:
        with self._changed:
            if owner not in self._holding:
                # No further back than the others who are here: what was used long ago is forgotten with them.
                self._used[owner] = min((self._used[one] for one in self._holding), default=0.0)
            self._holding[owner] = self._holding.get(owner, 0) + 1

    def _go(self, owner: str, used: float = 0.0, *, turned: bool = False) -> None:
        with self._changed:
            self._used[owner] += used
            self._busy -= int(turned)
            self._holding[owner] -= 1
            if not self._holding[owner]:
                del self._holding[owner]
                del self._used[owner]
            self._changed.notify_all()
