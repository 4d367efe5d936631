"""Prefect's events as hints: which of them can have changed a job, and when the runs are read that they name.

The first hint after a quiet time is followed at once; those of a burst are gathered, so that it costs a few reads. An
event may come before the commit of what it tells: a run that does not show it yet is read again.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

from prefect.events import Event

from control.watcher import Hint, Watcher
from orchestration.events import is_first_of_run
from orchestration.internals import flow_run_id_of_event

COMMIT_SECONDS = 0.02
"""What the commit of a change may take after its event."""
GATHER_SECONDS = 0.1
"""Between two reads: what comes meanwhile is read together."""

_SAID_BY_THE_FLOW = tuple(f"prefect.flow-run.{name}" for name in ("heartbeat", "Pending", "Running"))
"""A run that is only claimed changes nothing in its job, and of one that runs its flow tells the row itself."""


@dataclass
class Hints:
    """What was heard and not yet followed. Hints can be lost: the regular look finds what they would have said."""

    watcher: Watcher
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _followed_at: float = -math.inf

    def hear(self, event: Event) -> None:
        """Note the run of an event that may have changed its job."""
        run_id = flow_run_id_of_event(event.resource.id)
        if run_id is None or event.event in _SAID_BY_THE_FLOW or is_first_of_run(event):
            return
        self.watcher.hinted[run_id] = Hint(event.occurred)
        self._heard.set()

    async def follow(self) -> None:
        """Wait for a hint, and read the runs that were named by then."""
        await self._heard.wait()
        await asyncio.sleep(max(COMMIT_SECONDS, self._followed_at + GATHER_SECONDS - time.monotonic()))
        self._heard.clear()
        self._followed_at = time.monotonic()
        if await self.watcher.look_at_hints():
            self._heard.set()
