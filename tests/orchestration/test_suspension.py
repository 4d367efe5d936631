"""One watch for all runs of a process: it outlives observers that give up, and runs outlive it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from uuid import UUID, uuid4

import pytest

from orchestration import suspension
from orchestration.internals import take, watch_suspensions_by
from orchestration.suspension import SuspensionWatch


class ScriptedObserver:
    """Notes what it is given, and gives up when it is told to."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self.lost = lost
        self.watched: set[UUID] = set()
        self.loop = asyncio.get_running_loop()
        self.changed = threading.Event()

    async def __aenter__(self) -> ScriptedObserver:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def add_in_flight_flow_run_id(self, flow_run_id: UUID) -> None:
        self.watched.add(flow_run_id)
        self.changed.set()

    def remove_in_flight_flow_run_id(self, flow_run_id: UUID) -> None:
        self.watched.discard(flow_run_id)
        self.changed.set()

    def give_up(self) -> None:
        self.loop.call_soon_threadsafe(self.lost)


@pytest.fixture
def observers(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedObserver]:
    """Those that were made, in order."""
    made: list[ScriptedObserver] = []

    def make(lost: Callable[[], None]) -> ScriptedObserver:
        made.append(ScriptedObserver(lost))
        return made[-1]

    monkeypatch.setattr(suspension, "suspending_observer", make)
    monkeypatch.setattr(suspension, "RETRY_SECONDS", 0.01)
    return made


def test_runs_are_watched_while_they_go_on_also_by_the_next_observer(observers: list[ScriptedObserver]) -> None:
    watch, run_id = SuspensionWatch(), uuid4()
    watch.open()
    with watch.observed(run_id):
        _until(lambda: bool(observers) and observers[0].watched == {run_id})
        observers[0].give_up()
        _until(lambda: len(observers) == 2 and observers[1].watched == {run_id})
    _until(lambda: not observers[1].watched)
    watch.close()
    with watch.observed(run_id):
        """A run that was left behind outlives the watch."""


def test_the_watch_of_a_context_takes_the_place_of_the_engines_own() -> None:
    seen: list[UUID] = []

    def observed(flow_run_id: UUID) -> SuspensionWatch:
        seen.append(flow_run_id)
        return SuspensionWatch()

    run_id = uuid4()
    context = copy_context()
    context.run(watch_suspensions_by, observed)  # type: ignore[arg-type]
    context.run(lambda: take("prefect.flow_engine", "observe_flow_run_suspension")(run_id, object()))
    assert seen == [run_id]


def _until(so: Callable[[], bool]) -> None:
    moments = threading.Event()
    for _ in range(500):
        if so():
            return
        moments.wait(0.01)
    raise AssertionError("It does not come to be.")
