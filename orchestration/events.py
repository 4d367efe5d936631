"""Prefect's events as hints to look: they can be late, doubled or dropped, so nobody acts on one without reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter

from orchestration.environment import prefect_settings
from speech.settings import Settings

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0


def run_events(*names: str, work_pool: str | None = None) -> EventFilter:
    """The events of flow runs: those of the given state names, or all; of one pool, or all."""
    event = (
        EventNameFilter(name=[f"prefect.flow-run.{name}" for name in names])
        if names
        else EventNameFilter(prefix=["prefect.flow-run."])
    )
    if work_pool is None:
        return EventFilter(event=event)
    labels = {"prefect.resource.role": "work-pool", "prefect.resource.name": work_pool}
    return EventFilter(event=event, related=EventRelatedFilter(labels=labels))


async def listen(settings: Settings, wanted: EventFilter, heard: Callable[[Event], None]) -> None:
    """Call ``heard`` for each event until cancelled. While the server is away, try again quietly."""
    pause = FIRST_PAUSE
    with prefect_settings(settings):
        while True:
            try:
                async with get_events_subscriber(filter=wanted.model_copy(), reconnection_attempts=0) as events:
                    pause = FIRST_PAUSE
                    async for event in events:
                        heard(event)
            except Exception as reason:  # noqa: BLE001 - whatever ends a subscription, polling goes on without it
                log.debug("no events for now", reason=type(reason).__name__)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
