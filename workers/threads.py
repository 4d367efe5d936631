"""Flow runs in threads of this process, each beside whatever the process keeps warm."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog
from prefect.client.schemas.objects import FlowRun

from orchestration.environment import prefect_settings
from orchestration.handover import announce_leaving_by, expect_parting
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

        def work() -> None:
            done(context.run(_run_guarded, run, entrypoint))

        threading.Thread(target=work, name=f"run-{run.name}", daemon=True).start()


def _run_guarded(run: FlowRun, entrypoint: str) -> Ended:
    parting = expect_parting()
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
    return Ended(kind, wait_seconds=parting.wait_seconds, begun=parting.begun, trouble=parting.trouble)
