"""Waiting for news in the logs of jobs: any number of followers in a process, and one look at the database for all.

A follower that waits holds no connection. What several followers of one job read at the same place is read once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from speech.events import JobEvent
from storage.database import Database
from storage.events import CHANNEL, Events
from storage.wake import CommitSignal

PAGE = 10
"""Entries that are read at once: what a slow client's stream holds in memory. One may hold minutes of words."""
LOOK_SECONDS = 1.0
"""After so long without a hint, the database is looked at all the same."""
PAUSE_SECONDS = 0.02
"""Between two looks, however much is committed."""
RETRY_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Tail:
    """The followers of a process; used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events = Events(database)
        self._followed: dict[str, FollowedLog] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def follow(self, job_id: str) -> Iterator[FollowedLog]:
        """The job's log, for as long as the block lasts."""
        log = self._followed.setdefault(job_id, FollowedLog(job_id, self._events, closed=self._closed))
        log.followers += 1
        if self._looking is None and not self._closed:
            self._looking = asyncio.create_task(self._look_on(), name="tail")
        try:
            yield log
        finally:
            log.followers -= 1
            if log.followers == 0:
                self._followed.pop(job_id, None)

    @property
    def followers(self) -> int:
        """How many follow anything."""
        return sum(log.followers for log in self._followed.values())

    async def close(self) -> None:
        """Let all followers go: each finds its log closed. Further ones find it so from the start."""
        self._closed = True
        for log in self._followed.values():
            log.close()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait({looking})

    async def _look_on(self) -> None:
        signal, away = CommitSignal(self._database, CHANNEL), False
        try:
            while self._followed:
                try:
                    await self._look()
                    away = False
                except Exception as reason:  # noqa: BLE001 - followers outlive every outage of the database
                    if not away:
                        _log.warning("The logs of jobs cannot be read (%s); trying on.", type(reason).__name__)
                    away = True
                    await asyncio.sleep(RETRY_SECONDS)
                await signal.wait(LOOK_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._looking = None  # before anything is waited for: who comes now starts another one
            await signal.close()

    async def _look(self) -> None:
        for job_id, head in (await self._events.heads(self._followed)).items():
            log = self._followed.get(job_id)
            if log is not None:
                log.grown_to(head)


class FollowedLog:
    """One job's log, as its followers in this process see it."""

    def __init__(self, job_id: str, events: Events, *, closed: bool) -> None:
        self.job_id = job_id
        self.followers = 0
        self.closed = closed
        self._events = events
        self._head = 0
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._page: tuple[tuple[int, int], list[JobEvent]] | None = None

    async def after(self, number: int) -> list[JobEvent]:
        """The next entries after the one of that number, a page at most; empty when there are none yet."""
        async with self._turn:
            place = (number, self._head)
            if self._page is not None and self._page[0] == place:
                return self._page[1]
            entries = await self._events.after(self.job_id, number, PAGE)
            # Kept for those who stand at the same place, and until the log grows: an end may be taken back then.
            self._page = (place, entries) if entries and self.followers > 1 else None
            return entries

    async def grows(self, number: int, seconds: float) -> bool:
        """Whether there are entries after that number, waiting for them up to so many seconds; False when closed."""
        try:
            async with asyncio.timeout(seconds):
                while self._head <= number and not self.closed:
                    await self._news.wait()
        except TimeoutError:
            return False
        return self._head > number

    def grown_to(self, head: int) -> None:
        """Wake the followers when the log is longer than it was."""
        if head > self._head:
            self._head = head
            self._wake()

    def close(self) -> None:
        """Wake the followers for good."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
