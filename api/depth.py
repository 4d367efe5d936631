"""How much there is to do, for whoever starts workers: jobs counted by the work pool that they go to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from api.health_schemas import Depth, QueueView
from speech.jobs import JobStatus
from speech.pools import Routing
from storage.demand import Share
from storage.store import Store


async def look_at_queue(store: Store, routing: Routing) -> QueueView:
    """The depth of the queue; requests are read only where they decide on a pool."""
    shares = await store.demand.shares(by_model=bool(routing.routes))
    by_pool: dict[str, list[Share]] = {pool: [] for pool in routing.pools}
    for share in shares:
        wish = share.wish
        by_pool[routing.default if wish is None else routing.pool_of(wish.provider, wish.model)].append(share)
    pools = {pool: _depth(found) for pool, found in by_pool.items()}
    return QueueView(ok=True, pools=pools, **_depth(shares).model_dump())


def unknown_queue(detail: str | None) -> QueueView:
    """What is said when nobody can tell."""
    return QueueView(ok=False, queued=0, processing=0, unfinished=0, pools={}, detail=detail)


def _depth(shares: Iterable[Share]) -> Depth:
    counted: Counter[JobStatus] = Counter()
    for share in shares:
        counted[share.status] += share.count
    queued, unfinished = counted[JobStatus.QUEUED], counted.total()
    return Depth(queued=queued, processing=unfinished - queued, unfinished=unfinished)
