"""The product in parts, as on several machines: Prefect, API, control and workers, each by its own command.

What is killed here is killed as a machine would lose it, with SIGKILL and without a word, and started again by its
command. What ends though nobody killed it is kept as a fault of the product.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.databases import Databases
from benchmarks.stack import free_port
from orchestration.environment import server_environment
from speech.settings import Settings

ROOT = Path(__file__).parent.parent
RUN = (sys.executable, "-P", "-m", "cli.main")
START_SECONDS = 180
STOP_SECONDS = 60
_NOT_HANDED_ON = ("WOA_", "PREFECT_", "COVERAGE_PROCESS_")


@dataclass
class Role:
    """One process that is kept up by its command; ``family`` when its children are no business of ours."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    family: bool = False
    process: subprocess.Popen[bytes] | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Its process, None while it is down."""
        if self.process is None or self.process.poll() is not None:
            return None
        return self.process.pid

    def start(self) -> None:
        """Start it, when it is not up."""
        self.look()
        if self.process is not None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                # The embedded Prefect server ends with its standard input.
                stdin=subprocess.PIPE if self.family else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def look(self) -> None:
        """Keep it as a fault when the process has ended, since nobody killed it."""
        if self.process is not None and self.process.poll() is not None:
            self.faults.append(f"{self.name} ended by itself, status {self.process.returncode}; see {self.log}")
            self.process = None

    def kill(self) -> None:
        """Kill it; its children must see to their own end."""
        self.look()
        if self.process is None:
            return
        children = psutil.Process(self.process.pid).children(recursive=True) if self.family else []
        self.process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End it in good order; RuntimeError when it does not."""
        self.look()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.faults.append(f"{self.name} did not stop within {STOP_SECONDS} s; see {self.log}")
            self.kill()
        self.process = None


@dataclass
class Parts:
    """An installation in parts. ``settings`` are what a process on the same machine would read."""

    folder: Path
    settings: Settings
    databases: Databases
    roles: dict[str, Role]
    url: str

    @property
    def workers(self) -> list[Role]:
        """The workers."""
        return [role for name, role in self.roles.items() if name.startswith("worker")]

    @property
    def faults(self) -> list[str]:
        """What the processes did that nobody asked of them."""
        for role in self.roles.values():
            role.look()
        return [fault for role in self.roles.values() for fault in role.faults]

    def client(self) -> httpx.AsyncClient:
        """A client of the API."""
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=60, trust_env=False)

    def start(self) -> None:
        """Start all of it in the order of operations.md, and wait until it is healthy with all its workers."""
        self.roles["prefect"].start()
        _until(lambda: _answers(f"{self.settings.prefect}/health") is not None, "Prefect", self.roles["prefect"])
        environment = dict(self.roles["api"].environment)
        subprocess.run([*RUN, "deploy"], env=environment, cwd=self.folder, check=True, capture_output=True)
        for role in self.roles.values():
            role.start()
        _until(self._is_healthy, "the product", self.roles["api"])

    def stop(self) -> None:
        """End all of it, Prefect last."""
        for role in reversed(self.roles.values()):
            role.stop()

    def left_over(self) -> list[str]:
        """Processes of this installation that are still there; they are killed."""
        mark, found = str(self.folder), []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and mark in process.environ().get("WOA_DATA_DIR", ""):
                    found.append(f"process {process.pid} lives on: {' '.join(process.cmdline())[:120]}")
                    process.kill()
        return found

    def _is_healthy(self) -> bool:
        found = _answers(f"{self.url}/api/v1/health")
        if found is None or found["status"] != "healthy":
            return False
        return bool(found["checks"]["workers"]["online"] >= len(self.workers))


@contextmanager
def running_parts(
    folder: Path, models: Path, databases: Databases, settings: Mapping[str, str], *, workers: int = 2
) -> Iterator[Parts]:
    """An installation in parts in a new folder; ``settings`` are further WOA_ variables, lower case."""
    (folder / "tmp").mkdir(parents=True)
    api_port, prefect_port = free_port(), free_port()
    ours = {
        "WOA_DATA_DIR": str(folder / "data"),
        "WOA_MODELS_DIR": str(models),
        "WOA_OFFLINE": "true",
        "WOA_API_PORT": str(api_port),
        "WOA_PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        **({"WOA_DATABASE_URL": databases.ours} if databases.ours else {}),
        **{f"WOA_{name.upper()}": value for name, value in settings.items()},
    }
    environment = _environment(folder, ours)
    read = Settings(_env_file=None, **_lower(ours))  # type: ignore[call-arg]
    roles = {"prefect": _prefect(folder, environment, read, databases, prefect_port)}
    for name in ("api", "control", *(f"worker-{number}" for number in range(1, workers + 1))):
        roles[name] = Role(name, (*RUN, name.partition("-")[0]), environment, folder)
    parts = Parts(folder, read, databases, roles, f"http://127.0.0.1:{api_port}")
    try:
        parts.start()
        yield parts
    finally:
        parts.stop()


def _prefect(folder: Path, environment: Mapping[str, str], settings: Settings, databases: Databases, port: int) -> Role:
    """On SQLite the server that `woa serve` starts; on PostgreSQL an ordinary one, by Prefect's own command."""
    if databases.prefect is None:
        home = folder / "data" / "prefect"
        home.mkdir(parents=True)
        # Its `WOA_DATA_DIR` is what processes of this installation are found by.
        own = {**server_environment(settings, port, f"http://127.0.0.1:{port}"), **environment}
        own |= {"PREFECT_HOME": str(home), "PREFECT_PROFILES_PATH": str(home / "profiles.toml")}
        return Role("prefect", (sys.executable, "-m", "orchestration.prefect_main", str(port)), own, folder, True)
    theirs = {
        **environment,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": databases.prefect,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = (sys.executable, "-m", "prefect", "server", "start", "--port", str(port))
    return Role("prefect", command, theirs, folder, True)


def _environment(folder: Path, ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
    own = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder / "tmp")}
    return {**kept, **own, **ours, "PREFECT_HOME": str(folder / "data" / "prefect")}


def _lower(variables: Mapping[str, str]) -> dict[str, Any]:
    """The variables as keyword arguments of the settings; lists and objects read as the environment's are."""
    return {
        name.removeprefix("WOA_").lower(): json.loads(value) if value[:1] in ("[", "{") else value
        for name, value in variables.items()
    }


def _until(look: Callable[[], bool], what: str, role: Role) -> None:
    limit = time.monotonic() + START_SECONDS
    while not look():
        if time.monotonic() > limit or role.pid is None:
            tail = role.log.read_text(errors="replace")[-2000:]
            raise TimeoutError(f"{what} does not come up\n{tail}")
        time.sleep(0.2)


def _answers(url: str) -> Any:
    with suppress(httpx.TransportError, json.JSONDecodeError):
        answer = httpx.get(url, timeout=5, trust_env=False)
        if answer.status_code == httpx.codes.OK:
            return answer.json()
    return None
