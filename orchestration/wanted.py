"""Whether anybody still wants a run: chores have no row of ours that says so, and Prefect is asked now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from orchestration.client import open_client
from orchestration.outages import Outage
from speech.settings import Settings

LOOK_SECONDS = 5.0
_UNWANTED = frozenset({StateType.CANCELLING, StateType.CANCELLED})


@dataclass
class Wish:
    """Somebody's wish for a run, as Prefect knows it."""

    settings: Settings
    run_id: UUID
    clock: Callable[[], float] = time.monotonic
    _looked_at: float = 0.0
    _over: bool = False
    _outage: Outage = field(default_factory=lambda: Outage("Prefect"))

    def __post_init__(self) -> None:
        self._looked_at = self.clock()

    async def over(self) -> bool:
        """Whether the run was cancelled or deleted; as it was at the last look, while Prefect is away."""
        if not self._over and self.clock() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = self.clock()
            try:
                self._over = await self._look()
                self._outage.over()
            except Exception as reason:  # noqa: BLE001 - a run outlives every outage
                self._outage.met(reason)
        return self._over

    async def _look(self) -> bool:
        async with open_client(self.settings) as client:
            try:
                run = await client.read_flow_run(self.run_id)
            except ObjectNotFound:
                return True
        return run.state is not None and run.state.type in _UNWANTED
