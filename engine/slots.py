"""Turns on a device: so many at once, the most urgent first, owners in fair shares; given up when a job is cancelled.

Urgency is a rank (live before express, normal and low), then a deadline. Among equals, the owner goes next whose calls
have taken the least of the device so far: one who has a thousand files waiting does not shut out one who has one.
Whoever comes anew starts where the last turn of that rank was, so that nobody saves up a claim by having been away,
and whoever comes back goes on from what was used before (start-time fair queueing, Goyal, Vin and Cheng 1996).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count

from engine.errors import DeadlinePassed
from engine.waiting import Cancelled, Line

LIVE = -1
"""The rank of those who are listened to while they speak; jobs have 0 (express), 1 (normal), 2 (low)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks for the device: a smaller ``rank`` goes first, then an earlier ``deadline``, in the seconds of
    `time.monotonic`.

    What ``expires`` is not begun after its deadline. It has begun with the first turn that is taken by this standing,
    and then goes on to its end.
    """

    rank: int = 1
    owner: str = ""
    deadline: float = math.inf
    expires: bool = False
    begun: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    def late(self, now: float) -> bool:
        """Whether it is too late to begin."""
        return self.expires and now >= self.deadline and not self.begun.is_set()


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


_HAIR = 1e-9


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
        self._tags: dict[tuple[int, str], float] = {}
        self._virtual: dict[int, float] = {}
        self._began: dict[_Ticket, float] = {}

    @property
    def busy(self) -> int:
        """Turns taken now."""
        return len(self._began)

    @property
    def waiting(self) -> int:
        """Threads that wait for a turn now."""
        return len(self._line)

    @property
    def longest(self) -> float:
        """For how many seconds the oldest turn has been held."""
        with self._changed:
            return self._clock() - min(self._began.values()) if self._began else 0.0

    @contextmanager
    def turn(self, cancelled: Cancelled | None = None) -> Iterator[None]:
        """Hold one turn.

        Raises:
            JobCancelled: when ``cancelled`` says so before the turn came.
            DeadlinePassed: when the turn came too late for a standing that expires, and it was the first.

        """
        mine = _Ticket(_standing.get(), next(self._numbers))
        self._line.pass_through(lambda: self._take(mine), cancelled, mine)
        try:
            yield
        finally:
            self._give_back(mine)

    def _next_of(self, tickets: Sequence[_Ticket]) -> _Ticket:
        return min(tickets, key=self._urgency)

    def _urgency(self, ticket: _Ticket) -> tuple[float, float, float, int]:
        return ticket.standing.rank, ticket.standing.deadline, self._start_of(ticket), ticket.number

    def _start_of(self, ticket: _Ticket) -> float:
        """The virtual time at which this owner's next call begins: no earlier than that of the last turn."""
        rank = ticket.standing.rank
        return max(self._virtual.get(rank, 0.0), self._tags.get((rank, ticket.standing.owner), 0.0))

    def _take(self, ticket: _Ticket) -> bool:
        if len(self._began) >= self.count:
            return False
        now = self._clock()
        if ticket.standing.late(now):
            raise DeadlinePassed("The deadline had passed before the device had time.")
        rank = ticket.standing.rank
        self._virtual[rank] = self._start_of(ticket)
        self._tags = {key: tag for key, tag in self._tags.items() if tag > self._virtual.get(key[0], 0.0)}
        # Until the call is over nobody knows what it takes: a hair, so that its owner does not go again before others.
        self._tags[rank, ticket.standing.owner] = self._virtual[rank] + _HAIR
        self._began[ticket] = now
        ticket.standing.begun.set()
        return True

    def _give_back(self, ticket: _Ticket) -> None:
        with self._changed:
            key = (ticket.standing.rank, ticket.standing.owner)
            used = self._clock() - self._began.pop(ticket)
            self._tags[key] = max(self._tags.get(key, 0.0), self._virtual.get(key[0], 0.0)) + used
            self._changed.notify_all()
