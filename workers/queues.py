"""The queues of a pool that a worker serves: those of jobs, which go to devices, and those of chores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prefect.client.orchestration import PrefectClient

from orchestration.outages import again
from workers.chores import QUEUES

LOOK_SECONDS = 3.0


@dataclass
class ServedQueues:
    """All of the pool's, or of those that are named.

    They are looked at again and again: a pool is there a moment before its queues are, and operators add some.
    """

    client: PrefectClient
    pool: str
    named: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    _hindered: frozenset[str] = frozenset()

    def of_jobs(self) -> tuple[str, ...]:
        """Those whose runs go to devices, the most urgent first; none when there are none yet."""
        return tuple(name for name in self.present if name not in QUEUES)

    def of_chores(self, name: str) -> tuple[str, ...]:
        """That queue of chores; none when the pool does not have it, or this worker does not serve it."""
        return (name,) if name in self.present else ()

    def unhindered(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these queues whose runs may all be taken: neither they nor the pool are paused or limited."""
        return tuple(name for name in names if name not in self._hindered)

    async def look(self) -> bool:
        """Read them anew; whether they are others than before."""
        pool = await self.client.read_work_pool(self.pool)
        found = await self.client.read_work_queues(work_pool_name=self.pool)
        before = self.present
        closed = pool.is_paused or pool.concurrency_limit is not None
        self._hindered = frozenset(
            queue.name for queue in found if closed or queue.is_paused or queue.concurrency_limit is not None
        )
        ordered = sorted(found, key=lambda queue: queue.priority or 0)
        self.present = tuple(queue.name for queue in ordered if not self.named or queue.name in self.named)
        return self.present != before

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look for ever, and call ``changed`` when they are others. Outages are borne."""

        async def look() -> None:
            if await self.look():
                changed()

        await again(look, "Prefect", LOOK_SECONDS)
