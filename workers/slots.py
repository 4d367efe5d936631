"""The places in which a worker runs flow runs: threads of its own process, beside models that stay loaded."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from prefect import Flow, State
from prefect.client.schemas.objects import FlowRun

from orchestration.handover import announce_leaving_by
from orchestration.internals import client_context, run_to_its_end

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a thread left its run: a state, or None when it let go of it.

    ``broken`` when Prefect's engine gave up; ``refusal`` says why the run cannot be run here at all.
    """

    state: State[Any] | None
    broken: bool = False
    refusal: str | None = None


@dataclass
class Slots:
    """``count`` threads' worth of room. Used from one event loop.

    Every run gets a thread of its own, a daemon: a process that leaves does not wait for a model call of minutes,
    whose run is back in the queue already.
    """

    count: int
    leaving: threading.Event = field(default_factory=threading.Event)
    _busy: dict[UUID, asyncio.Future[Ended]] = field(default_factory=dict)
    _context: contextvars.Context | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> None:
        """Take the present context, Prefect's settings above all, as the one that runs are run in."""
        self._context = contextvars.copy_context()
        self._context.run(announce_leaving_by, self.leaving)
        self._context.run(self._stack.enter_context, client_context())

    def close(self) -> None:
        """Close the client that runs shared: what a thread that is left behind would still say, nobody hears."""
        if self._context is not None:
            self._context.run(self._stack.close)

    @property
    def busy(self) -> int:
        """How many places are taken."""
        return len(self._busy)

    @property
    def free(self) -> int:
        """How many places are left."""
        return self.count - len(self._busy)

    @property
    def runs(self) -> tuple[UUID, ...]:
        """The runs in work."""
        return tuple(self._busy)

    def reserve(self, run_id: UUID) -> None:
        """Take a place for a run that is being claimed."""
        self._busy[run_id] = asyncio.get_running_loop().create_future()

    def release(self, run_id: UUID) -> None:
        """Free a run's place."""
        self._busy.pop(run_id, None)

    async def run(self, flow: Flow[..., Any], run: FlowRun) -> Ended:
        """Run a run to its end in a thread. Its place must be reserved, and stays taken."""
        if self._context is None:
            raise RuntimeError("The slots are not open.")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Ended] = loop.create_future()
        context = self._context.copy()

        def work() -> None:
            outcome = context.run(_run_guarded, flow, run)
            _tell(loop, ended, outcome)

        threading.Thread(target=work, name=f"run-{run.name}", daemon=True).start()
        return await ended


def _run_guarded(flow: Flow[..., Any], run: FlowRun) -> Ended:
    try:
        return Ended(run_to_its_end(flow, run))
    except BaseException as reason:  # noqa: BLE001 - nothing above this frame in the thread could take it
        log.warning("a run broke off", flow_run_id=str(run.id), reason=type(reason).__name__)
        return Ended(None, broken=True)


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[Ended], outcome: Ended) -> None:
    def settle() -> None:
        if not ended.done():
            ended.set_result(outcome)

    _call(loop, settle)


def _call(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(work)
    except RuntimeError:
        # The worker has left meanwhile and closed its loop: nobody waits for this outcome any more.
        log.debug("a run ended after its worker had left")
