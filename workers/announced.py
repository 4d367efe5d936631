"""Runs that an event has just told of: read by their ids, which takes a fraction of asking Prefect what is due.

Only a worker that has taken all that was due may do so: among runs that wait, their order decides, and Prefect knows
it. And only where Prefect would give every run that is due: not in a pool or queue that is paused or limited.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from orchestration.runs import waiting
from workers.backlog import in_order

TRUSTED_SECONDS = 4.0
"""How long ago all that was due may have been taken: a worker looks more often than that."""
MOST = 64
"""More are a burst, which is looked at as a whole."""


@dataclass
class Announced:
    """What was announced to one dispatcher since it looked last. ``queues`` are those whose runs may all be taken."""

    client: PrefectClient
    pool: str
    queues: Callable[[], tuple[str, ...]]
    clock: Callable[[], float] = time.monotonic
    _heard: set[UUID] = field(default_factory=set)
    _taken_at: float | None = None

    def hear(self, run_id: UUID) -> None:
        """Note a run that is said to wait."""
        if len(self._heard) <= MOST:
            self._heard.add(run_id)

    def looked(self, *, all_taken: bool) -> None:
        """Note how a look at all that is due went."""
        self._taken_at = self.clock() if all_taken else None

    async def due(self, limit: int) -> list[FlowRun] | None:
        """The runs that were announced, the most urgent first; None when all that is due must be looked at.

        All of them wait, and there are no more than ``limit``.
        """
        heard, self._heard = self._heard, set()
        queues = self.queues()
        if not heard or len(heard) > limit or not queues or not self._is_empty():
            return None
        found = await waiting(self.client, self.pool, sorted(heard), queues)
        found = in_order(found, queues)
        return found if len(found) == len(heard) else None

    def _is_empty(self) -> bool:
        return self._taken_at is not None and self.clock() - self._taken_at < TRUSTED_SECONDS
