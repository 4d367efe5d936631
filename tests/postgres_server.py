"""A private PostgreSQL server on loopback, in a folder of its own, for a session of tests.

Import ``postgres_url`` into a conftest to have the fixture there; ``empty_database`` makes a database of a test's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_START_SECONDS = 60
_USER = "woa"


def server_programs() -> Path | None:
    """The folder with initdb and postgres, the newest version's; None when PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parts[-2]), reverse=True)
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return next((folder for folder in (*debian, *on_path) if _complete(folder)), None)


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("initdb", "postgres", "pg_isready"))


@contextlib.contextmanager
def running_postgres(programs: Path, **more: str) -> Iterator[str]:
    """Start a server and yield the SQLAlchemy URL of an empty database of it; stop it at the end.

    ``more`` are settings of the server that go before those of tests, which do not wait for the disk.
    """
    folder = Path(tempfile.mkdtemp(prefix="woa-postgres-"))
    password = secrets.token_urlsafe(16)
    try:
        _init(programs, folder, password)
        port = _free_port()
        with _server(programs, folder, port, more):
            yield f"postgresql+asyncpg://{_USER}:{password}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """The URL of a new database on the server; it is dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    _execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def emptied(database_url: str) -> str:
    """The URL again, all tables of its database dropped: quicker than another database."""
    _execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database_url


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of one database for the session's tests; each begins with ``emptied``."""
    with empty_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a running server; without PostgreSQL the test is skipped, but in CI it fails."""
    programs = server_programs()
    if programs is None:
        message = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    with running_postgres(programs) as url:
        yield url


def _init(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    arguments = ["--pgdata", str(folder / "data"), "--username", _USER, "--pwfile", str(secret), "--no-sync"]
    command = [str(programs / "initdb"), *arguments, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
    subprocess.run([*_as_postgres(), *command], check=True, capture_output=True, cwd=folder, timeout=_START_SECONDS)


@contextlib.contextmanager
def _server(programs: Path, folder: Path, port: int, more: Mapping[str, str]) -> Iterator[None]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "16MB",
        **more,
    }
    command = [str(programs / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*_as_postgres(), *command], cwd=folder, stdout=log, stderr=log)
    try:
        _wait_until_ready(programs, port, process, folder / "log")
        yield
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown: open connections are cut
        process.wait(timeout=_START_SECONDS)


def _wait_until_ready(programs: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    probe = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(probe, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _as_postgres() -> list[str]:
    """How to start a program that dies with the tests and, when they run as root, does not run as root."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    command = [setpriv, "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        command += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return [*command, "--"]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _execute(server_url: str, statement: str) -> None:
    import asyncpg  # type: ignore[import-untyped]

    async def run() -> None:
        connection = await asyncpg.connect(server_url.replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # In a thread of its own: the caller may be inside an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result(timeout=_START_SECONDS)
