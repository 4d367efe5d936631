"""Flow runs in threads of this process, each beside whatever the process keeps warm."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prefect.client.schemas.objects import FlowRun

from orchestration.environment import prefect_settings
from orchestration.handover import Parting, announce_leaving_by, expect_parting
from orchestration.internals import client_context, run_to_its_end
from orchestration.suspension import shared_watch
from speech.settings import Settings
from workers.flows import FlowUnknown, import_flow
from workers.messages import Ended

log = structlog.get_logger(__name__)

RETRIES_IN_RUNS = 10
"""How often a run's own calls of Prefect are tried again: a server that restarts must not break the runs."""


@dataclass
class RunThreads:
    """Runs flow runs, each in a thread of its own; a daemon, since a process that leaves does not wait for a model
    call of minutes whose run is back in the queue already."""

    settings: Settings
    leaving: threading.Event = field(default_factory=threading.Event)
    _context: contextvars.Context | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _partings: dict[UUID, Parting] = field(default_factory=dict)

    def open(self) -> None:
        """Make the context that runs are run in: our settings for Prefect, one client and one watch that they share."""
        self._context = contextvars.copy_context()
        retrying = prefect_settings(self.settings, {"client.max_retries": RETRIES_IN_RUNS})
        self._context.run(self._stack.enter_context, retrying)
        self._context.run(announce_leaving_by, self.leaving)
        self._context.run(self._stack.enter_context, client_context())
        self._context.run(self._stack.enter_context, shared_watch())

    def close(self) -> None:
        """Close what the runs shared: what a thread that is left behind would still say, nobody hears."""
        if self._context is not None:
            self._context.run(self._stack.close)

    def start(self, run: FlowRun, entrypoint: str, done: Callable[[Ended], None]) -> None:
        """Run a run to its end; ``done`` is told in the run's thread."""
        if self._context is None:
            raise RuntimeError("The threads have no context yet.")
        context = self._context.copy()
        parting = self._partings[run.id] = context.run(expect_parting)

        def work() -> None:
            ended = context.run(_run_guarded, run, entrypoint, parting)
            if self._partings.get(run.id) is parting:
                del self._partings[run.id]
            done(ended)

        threading.Thread(target=work, name=f"run-{run.name}", daemon=True).start()

    @property
    def quiet(self) -> tuple[UUID, ...]:
        """The runs that have not taken a step for so long that they count as hanging."""
        limit = self.settings.run_silence_seconds
        since = time.monotonic() - limit
        partings = list(self._partings.items())
        return tuple(run_id for run_id, parting in partings if limit and parting.heard_at < since)

    def ask_back(self, run_id: UUID) -> None:
        """Ask a run's flow to let go of it."""
        parting = self._partings.get(run_id)
        if parting is not None:
            parting.wanted_back = True


def _run_guarded(run: FlowRun, entrypoint: str, parting: Parting) -> Ended:
    try:
        flow = import_flow(entrypoint)
        state = run_to_its_end(flow, run)
    except FlowUnknown as reason:
        log.error("a run cannot be run here", flow_run_id=str(run.id), reason=str(reason))
        return Ended(None, refusal=str(reason))
    except BaseException as reason:  # noqa: BLE001 - nothing above this frame in the thread could take it
        log.warning("a run broke off", flow_run_id=str(run.id), reason=type(reason).__name__)
        return Ended(None, broken=True)
    kind = state.type if state is not None else None
    returned = kind is None and parting.wait_seconds is None and parting.wanted_back
    return Ended(
        kind,
        wait_seconds=parting.wait_seconds,
        begun=parting.begun,
        returned=returned,
        trouble=parting.trouble,
    )
