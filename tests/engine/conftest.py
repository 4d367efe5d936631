"""Threads that are watched: every test here ends, or fails within `PATIENCE` seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

PATIENCE = 30.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads of this test; more than any test needs at once."""
    with ThreadPoolExecutor(40) as executor:
        yield executor


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
