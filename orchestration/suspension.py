"""Runs that somebody suspends in Prefect: one watch for all runs of a process.

Prefect's engine starts a watch for each run of a deployment, a thread with a client and a websocket of its own; a run
waits for that before its first line, and once more at its end. Runs of one process share one here and wait for
nothing. A suspended run ends at its next task, as it does with Prefect's own watch.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog

from orchestration.internals import suspending_observer, watch_suspensions_by

if TYPE_CHECKING:
    from uuid import UUID

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
STOP_SECONDS = 2.0


@contextmanager
def shared_watch() -> Iterator[None]:
    """Watch the runs of this context together while the block lasts, with its settings for Prefect."""
    watch = SuspensionWatch()
    watch.open()
    watch_suspensions_by(watch.observed)
    try:
        yield
    finally:
        watch.close()


class SuspensionWatch:
    """A thread that listens for all runs. When Prefect is away for so long that its observer gives up, a new one
    begins."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._watched: set[UUID] = set()
        self._observer: Any = None
        self._watching: asyncio.Task[None] | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="suspensions", daemon=True)

    def open(self) -> None:
        """Begin to listen; nobody waits for the connection."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for the thread, though not for long."""
        self._soon(self._stop)
        self._thread.join(STOP_SECONDS)

    @contextmanager
    def observed(self, flow_run_id: UUID) -> Iterator[None]:
        """Watch a run while the block lasts, from whichever thread."""
        self._soon(self._add, flow_run_id)
        try:
            yield
        finally:
            self._soon(self._remove, flow_run_id)

    def _soon(self, act: Callable[..., None], *what: UUID) -> None:
        with suppress(RuntimeError):  # closed, while a run that was left behind still goes on
            self._loop.call_soon_threadsafe(act, *what)

    def _run(self) -> None:
        self._watching = self._loop.create_task(self._watch())
        try:
            self._loop.run_until_complete(asyncio.gather(self._watching, return_exceptions=True))
        finally:
            self._loop.close()

    def _stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            lost = asyncio.Event()
            try:
                async with suspending_observer(lost.set) as self._observer:
                    for flow_run_id in self._watched:
                        self._observer.add_in_flight_flow_run_id(flow_run_id)
                    await lost.wait()
            except Exception as reason:  # noqa: BLE001 - runs go on without it, and it is tried again
                log.warning("suspensions are not heard of", reason=type(reason).__name__)
            finally:
                self._observer = None
            await asyncio.sleep(RETRY_SECONDS)

    def _add(self, flow_run_id: UUID) -> None:
        self._watched.add(flow_run_id)
        if self._observer is not None:
            self._observer.add_in_flight_flow_run_id(flow_run_id)

    def _remove(self, flow_run_id: UUID) -> None:
        self._watched.discard(flow_run_id)
        if self._observer is not None:
            self._observer.remove_in_flight_flow_run_id(flow_run_id)
