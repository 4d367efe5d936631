"""One real embedded Prefect server for a session of tests, on a free port, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from orchestration.server import PrefectServer
from speech.settings import Settings


@dataclass(frozen=True)
class RunningPrefect:
    """Where the session's Prefect server is."""

    url: str
    server: PrefectServer


@contextmanager
def unmeasured() -> Iterator[None]:
    """Start processes without the measuring of coverage: a server that is not ours runs half as fast with it."""
    names = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


_KEY = pytest.StashKey[RunningPrefect]()


@pytest.fixture(scope="session")
def prefect_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPrefect]:
    """The server, one for all folders of tests; its event loop lives in a thread, since tests have a loop each."""
    if _KEY in request.config.stash:
        yield request.config.stash[_KEY]
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="prefect-server", daemon=True)
    thread.start()
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("prefect"), prefect_port=0)  # type: ignore[call-arg]
    with unmeasured():
        server = asyncio.run_coroutine_threadsafe(PrefectServer.start(settings), loop).result()
    request.config.stash[_KEY] = RunningPrefect(server.settings.prefect, server)
    try:
        yield request.config.stash[_KEY]
    finally:
        del request.config.stash[_KEY]
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
