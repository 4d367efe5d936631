"""`woa probe`: what a container's health check hears."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from speech.clock import now
from speech.settings import Settings
from storage.store import Store
from storage.workers import WorkerBeat
from tests.cli.conftest import free_port


@pytest.fixture
def here(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        if name.startswith("WOA_"):
            monkeypatch.setenv(name, value)


def probed(role: str) -> Result:
    return CliRunner().invoke(app, ["probe", role])


@contextmanager
def answering(path: str) -> Iterator[int]:
    """A server that answers one path with JSON; its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 404)
            self.end_headers()
            self.wfile.write(b"true" if self.path == path else b"not JSON")

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def beat(settings: Settings, host: str, age: float) -> None:
    store = Store.open(settings)
    try:
        await store.migrate()
        moment = now() - timedelta(seconds=age)
        await store.workers.beat(WorkerBeat("one", "w", host, "p", "cpu", 1, 0, moment, beat_at=moment))
    finally:
        await store.close()


@pytest.mark.usefixtures("here")
def test_an_api_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering("/api/v1/health/live") as port:
        monkeypatch.setenv("WOA_API_PORT", str(port))
        monkeypatch.setenv("WOA_API_HOST", "0.0.0.0")
        assert probed("api").exit_code == 0
    silent = probed("api")
    assert silent.exit_code == 1
    assert "does not do its work" in silent.stderr


@pytest.mark.usefixtures("here")
def test_prefect_is_asked_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering("/api/health") as port:
        monkeypatch.setenv("WOA_PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
        assert probed("prefect").exit_code == 0
    assert probed("prefect").exit_code == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("host", "age", "expected"), [(socket.gethostname(), 1, 0), ("elsewhere", 1, 1), (socket.gethostname(), 600, 1)]
)
def test_a_worker_is_known_by_its_host_and_its_beat(host: str, age: float, expected: int) -> None:
    asyncio.run(beat(Settings(), host, age))
    assert probed("worker").exit_code == expected


@pytest.mark.usefixtures("here")
def test_a_worker_is_not_blamed_for_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_DATABASE_URL", f"postgresql+asyncpg://woa@127.0.0.1:{free_port()}/woa")
    found = probed("worker")
    assert found.exit_code == 0
    assert "nobody can tell" in found.stderr


def test_other_parts_are_not_known() -> None:
    assert probed("kettle").exit_code == 2
