"""The product as on several machines, on loopback: what hosts share is PostgreSQL, Redis, S3 and Prefect, no folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import yaml

from benchmarks.stack import free_port
from tests.cli.conftest import ROOT
from tests.postgres_server import empty_database
from tests.redis_server import running_redis

STOP_SECONDS = 60


_NOT_HANDED_ON = ("WOA_", "PREFECT_", "COVERAGE_PROCESS_")
"""Our settings and Prefect's; and coverage is measured elsewhere: nine processes on two cores are slow enough."""


@dataclass
class Process:
    """One process of one host, with a folder that no other host sees."""

    name: str
    folder: Path
    started: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    def lose(self) -> None:
        """The host is gone: the process and all its children die at once."""
        family = [psutil.Process(self.started.pid), *psutil.Process(self.started.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.started.wait(STOP_SECONDS)

    def stop(self) -> int:
        """End it in good order; its exit status."""
        if self.started.poll() is None:
            self.started.terminate()
        try:
            return self.started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.lose()
            raise


@dataclass
class Hosts:
    """The machines: their common settings, and the processes that run."""

    folder: Path
    settings: dict[str, str]
    prefect: dict[str, str]
    prefect_port: int
    running: dict[str, Process] = field(default_factory=dict)
    apis: dict[str, int] = field(default_factory=dict)

    def start(self, name: str, *command: str, **more: str) -> Process:
        """Start a process of ours on a host of its own."""
        return self._start(name, [sys.executable, "-m", "cli.main", *command], {**self.settings, **more})

    def start_api(self, name: str) -> httpx.Client:
        """Start an API and give a client of it."""
        self.apis[name] = free_port()
        self.start(name, "api", WOA_API_PORT=str(self.apis[name]))
        return httpx.Client(base_url=f"http://127.0.0.1:{self.apis[name]}/api/v1", timeout=60, trust_env=False)

    def start_prefect(self) -> Process:
        """Start an ordinary Prefect server, as its own manual says."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.prefect_port)]
        return self._start("prefect", command, self.prefect)

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_HANDED_ON)}
        own = {"PYTHONPATH": str(ROOT), "WOA_DATA_DIR": str(folder / "data"), "PREFECT_HOME": str(folder / "prefect")}
        with (folder / "log").open("ab") as log:
            started = subprocess.Popen(
                command,
                cwd=folder,
                env={**kept, **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.running[name] = Process(name, folder, started)
        return self.running[name]

    def stop(self) -> None:
        """End everything, the Prefect server last."""
        with ExitStack() as ends:
            for process in self.running.values():
                ends.callback(process.stop)


@contextlib.contextmanager
def running_hosts(folder: Path, postgres_url: str, models: Path) -> Iterator[Hosts]:
    """What the hosts share, and no process of ours yet; all is stopped at the end."""
    with ExitStack() as shared:
        ours, theirs = (shared.enter_context(empty_database(postgres_url)) for _ in range(2))
        redis = shared.enter_context(running_redis(folder / "redis"))
        port, secret = free_port(), f"woa:{secrets.token_hex(8)}"
        url = f"http://127.0.0.1:{port}/api"
        settings = {
            "WOA_DATABASE_URL": ours,
            "WOA_BLOB_URL": "s3://speech/installation",
            "WOA_BLOB_OPTIONS": json.dumps(shared.enter_context(_bucket("speech"))),
            "WOA_PREFECT_API_URL": url,
            "WOA_MODELS_DIR": str(models),
            "WOA_OFFLINE": "true",
            "WOA_WORKER_SLOTS": "2",
            "WOA_WORKER_NICENESS": "0",
            "WOA_DRAIN_SECONDS": "20",
            "PREFECT_API_AUTH_STRING": secret,
        }
        hosts = Hosts(folder, settings, _prefect(theirs, redis, port, secret), port)
        shared.callback(hosts.stop)
        yield hosts


def _prefect(database: str, redis: str, port: int, secret: str) -> dict[str, str]:
    """The settings of compose.yaml for a Prefect server on PostgreSQL and Redis, with the addresses of this test."""
    given = yaml.safe_load((ROOT / "deployments" / "docker" / "compose.yaml").read_text(encoding="utf-8"))["x-prefect"]
    here = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        # Another command's work in a container; here the server does it at its first start.
        "PREFECT_API_DATABASE_MIGRATE_ON_START": "true",
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_REDIS_MESSAGING_URL": f"{redis}/0",
        "PREFECT_SERVER_DOCKET_URL": f"{redis}/1",
    }
    elsewhere = {
        "PREFECT_HOME",
        "PREFECT_UI_API_URL",
        "PREFECT_UI_STATIC_DIRECTORY",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
    }
    kept = {name: value for name, value in given.items() if name not in elsewhere} | here
    assert not [value for value in kept.values() if "${" in value]
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_UI_ENABLED": "false"}


@contextlib.contextmanager
def _bucket(name: str) -> Iterator[dict[str, str]]:
    """A server that speaks S3, with one bucket; the options to reach it."""
    import s3fs
    from moto.server import ThreadedMotoServer

    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "key": "test", "secret": "test"}
    try:
        s3fs.S3FileSystem(**options).call_s3("create_bucket", Bucket=name)
        yield options
    finally:
        server.stop()
