"""Prefect's events as hints to look: they can be late, doubled or dropped, so nobody acts on one without reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from prefect.events.schemas.events import ResourceSpecification

from orchestration.environment import prefect_settings
from speech.clock import now
from speech.settings import Settings

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
LASTING = 10.0
"""Seconds after which a subscription counts as one that worked."""
OVERLAP = timedelta(seconds=5)
"""How old an event may be that is still passed on: clocks differ."""


def run_events(*names: str, work_pool: str | Sequence[str] | None = None) -> EventFilter:
    """The events of flow runs: those of the given state names, or all; of one pool or some, or all."""
    event = (
        EventNameFilter(name=[f"prefect.flow-run.{name}" for name in names])
        if names
        else EventNameFilter(prefix=["prefect.flow-run."])
    )
    if work_pool is None:
        return EventFilter(event=event)
    pools = work_pool if isinstance(work_pool, str) else list(work_pool)
    labels = ResourceSpecification({"prefect.resource.role": "work-pool", "prefect.resource.name": pools})
    return EventFilter(event=event, related=EventRelatedFilter(labels=labels))


def queue_of(event: Event) -> str | None:
    """The name of the work queue of the run that an event is about; None when it does not say."""
    return next((str(related.name) for related in event.related if related.role == "work-queue"), None)


def is_first_of_run(event: Event) -> bool:
    """Whether an event tells of the state in which its run was made."""
    return "initial_state" in event.payload and event.payload["initial_state"] is None


async def listen(settings: Settings, wanted: EventFilter, heard: Callable[[Event], None]) -> None:
    """Call ``heard`` for each event until cancelled. While the server is away, try again quietly."""
    pause = FIRST_PAUSE
    with prefect_settings(settings):
        while True:
            began = time.monotonic()
            try:
                await _subscribe(wanted.model_copy(), heard)
            except Exception as reason:  # noqa: BLE001 - whatever ends a subscription, polling goes on without it
                log.debug("no events for now", reason=type(reason).__name__)
            lasted = time.monotonic() - began > LASTING
            pause = FIRST_PAUSE if lasted else min(LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(pause)


async def _subscribe(wanted: EventFilter, heard: Callable[[Event], None]) -> None:
    """Hear events until the subscription breaks.

    Prefect sends those of the last minute first. They are passed over: who polls has seen their outcome, and a
    connection that breaks under load must not bring more of it each time.
    """
    since = now() - OVERLAP
    async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as events:
        async for event in events:
            if event.occurred >= since:
                heard(event)
