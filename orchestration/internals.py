"""Every private or unstable piece of Prefect that we lean on, in one place.

Importing this file checks the version; each piece is checked when it is taken, so that a change of Prefect is one
sentence at the start rather than an odd failure in the middle of a job.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import prefect
from prefect.exceptions import Abort, Pause
from prefect.settings import get_current_settings

if TYPE_CHECKING:
    from uuid import UUID

    from prefect import Flow, State
    from prefect.client.schemas.objects import FlowRun

OLDEST = (3, 8, 8)
TOO_NEW = (3, 10)


class UnsupportedPrefect(ImportError):
    """This Prefect is not one that we know our way around in."""


def _complaint(what: str) -> UnsupportedPrefect:
    return UnsupportedPrefect(
        f"{what} This program works with Prefect 3.8.8 or later, but below 3.10; installed is {prefect.__version__}."
    )


def _check_version(version: str) -> None:
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())
    if not OLDEST <= numbers < TOO_NEW:
        raise _complaint("The installed Prefect is outside of the range that was tested.")


def take(module: str, name: str) -> Any:
    """The attribute ``name`` (dots go deeper) of Prefect's ``module``.

    Raises:
        UnsupportedPrefect: when it is not there.

    """
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as reason:
        raise _complaint(f"Prefect's {module}.{name} is missing.") from reason
    return found


_check_version(prefect.__version__)


def begin_immediately() -> None:
    """Let every transaction of this process's Prefect server take SQLite's write lock when it begins.

    Prefect opens them deferred: two that have read and then want to write cannot both, one of them fails with
    "database is locked" at once, whatever the busy timeout, and its client sleeps for seconds. Begun immediately,
    they queue for milliseconds instead.
    """
    configuration = take("prefect.server.database.configurations", "AioSqliteConfiguration")
    begin_mode = take("prefect.server.database.configurations", "SQLITE_BEGIN_MODE")
    take("prefect.server.database.configurations", "AioSqliteConfiguration.begin_transaction")
    take("prefect.server.database.configurations", "AioSqliteConfiguration.begin_sqlite_stmt")

    @asynccontextmanager
    async def begin_transaction(
        self: object,
        session: Any,
        with_for_update: bool = False,
    ) -> AsyncIterator[Any]:
        async with session.begin() as transaction:
            # Begun here rather than by the first statement: what the server reads through another connection before it
            # commits, as it does when a queue is paused, must not wait for this transaction to end.
            token = begin_mode.set("IMMEDIATE")
            try:
                await session.connection()
            finally:
                begin_mode.reset(token)
            yield transaction

    configuration.begin_transaction = begin_transaction


def server_app() -> Callable[..., Any]:
    """The factory of the ordinary Prefect server, API and UI."""
    factory: Callable[..., Any] = take("prefect.server.api.server", "create_app")
    return factory


def run_to_its_end(flow: Flow[..., Any], flow_run: FlowRun) -> State[Any] | None:
    """Run a flow run in this thread through Prefect's engine, reporting every state.

    Returns:
        The final state, or Suspended when somebody suspended the run, or None when it was let go of: another took it,
        or the flow gave it back.

    """
    run_flow = take("prefect.flow_engine", "run_flow")
    if flow.result_storage is None and flow.persist_result is False:
        # For want of a place that is named the engine asks the server for one, before each run, though it needs none.
        flow.result_storage = get_current_settings().results.local_storage_path
    try:
        state: State[Any] = run_flow(flow, flow_run=flow_run, return_type="state")
    except Abort:
        return None
    except Pause as suspended:
        return suspended.state
    return state


Observed = Callable[["UUID"], AbstractContextManager[None]]
_observed: ContextVar[Observed | None] = ContextVar("woa_observed_suspensions", default=None)


def watch_suspensions_by(observed: Observed) -> None:
    """Let ``observed`` watch the runs of this context for suspension, in place of the engine's own watch.

    That costs each run a thread, a client and a websocket, and a wait at its beginning and at its end.
    """
    _observed.set(observed)
    own = take("prefect.flow_engine", "observe_flow_run_suspension")
    if own is not _observe_suspension:
        _own_watch.append(own)
        importlib.import_module("prefect.flow_engine").__dict__["observe_flow_run_suspension"] = _observe_suspension


_own_watch: list[Callable[..., AbstractContextManager[None]]] = []


def _observe_suspension(flow_run_id: UUID, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
    observed = _observed.get()
    return observed(flow_run_id) if observed is not None else _own_watch[0](flow_run_id, *args, **kwargs)


def suspending_observer(lost: Callable[[], None]) -> Any:
    """Prefect's observer of suspensions, for the runs that it is given, as an asynchronous context manager.

    A suspended run ends at its next task. ``lost`` is called when Prefect has been away for so long that it gives up.
    """
    observer = take("prefect._internal.observers", "FlowRunSuspendingObserver")
    for name in ("add_in_flight_flow_run_id", "remove_in_flight_flow_run_id"):
        take("prefect._internal.observers", f"FlowRunSuspendingObserver.{name}")
    mark = take("prefect._flow_run_suspension", "mark_flow_run_suspension_requested")
    return observer(on_suspended=mark, on_failure=lambda _: lost())


def worker_id_of(flow_run: FlowRun) -> str | None:
    """Who claimed a run: the worker writes its id where Prefect keeps the id of a process or container."""
    return flow_run.infrastructure_pid


@contextmanager
def client_context() -> Iterator[Any]:
    """One synchronous client for all runs of a thread: without it each run builds its own, TLS context and all.

    What the engine would note in each run before it begins, its flow's version and policy of retries, goes without
    saying where the flow has no retries: a call of Prefect less, for which the first line would wait.
    """
    with take("prefect.context", "SyncClientContext").get_or_create() as context:
        note = context.client.update_flow_run

        def note_retries(flow_run_id: UUID, *args: Any, **values: Any) -> Any:
            policy = values.get("empirical_policy")
            if policy is None or policy.retries:
                return note(flow_run_id, *args, **values)
            return None

        context.client.update_flow_run = note_retries
        try:
            yield context
        finally:
            context.client.update_flow_run = note


def flow_run_id_of_event(resource_id: str) -> UUID | None:
    """The run that an event is about, when it is about a run."""
    from uuid import UUID

    prefix = "prefect.flow-run."
    if not resource_id.startswith(prefix):
        return None
    try:
        return UUID(resource_id.removeprefix(prefix))
    except ValueError:
        return None
