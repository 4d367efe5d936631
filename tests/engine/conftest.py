"""Threads that are watched: every test here ends, or fails within `PATIENCE` seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.server import EngineServer
from tests.engine.live import Clerk, serving
from tests.engine.patience import PATIENCE


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads of this test; more than any test needs at once."""
    with ThreadPoolExecutor(40) as executor:
        yield executor


@pytest.fixture
def clerk() -> Clerk:
    """Who answers what live servers ask."""
    return Clerk()


@pytest.fixture
async def server(tmp_path: Path, clerk: Clerk) -> AsyncIterator[EngineServer]:
    """An engine's socket, with the clerk behind it."""
    async with serving(tmp_path / "engines", clerk) as server:
        yield server


@pytest.fixture
def settle() -> Callable[[Callable[[], bool]], None]:
    """Wait until something that another thread brings about is so."""

    def wait(so: Callable[[], bool]) -> None:
        with ThreadPoolExecutor(1) as watcher:
            done: Future[None] = watcher.submit(_watch, so)
            done.result(PATIENCE)

    return wait


def _watch(so: Callable[[], bool]) -> None:
    import threading
    import time

    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not so():
        if time.monotonic() > deadline:
            raise AssertionError("it never came about")
        pause.wait(0.002)
