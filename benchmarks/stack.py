"""The whole product, started as its operator would: `woa serve` in a folder of its own, on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from speech.settings import Settings

START_SECONDS = 120
STOP_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A running product; ``url`` is where its API answers, ``process`` its supervisor."""

    url: str
    prefect_url: str
    database_url: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> Settings:
        """What its parts were told of where things are."""
        return Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=self.data_dir,
            database_url=self.database_url,
            prefect_api_url=self.prefect_url,
        )

    def client(self) -> httpx.Client:
        """A client of the API."""
        return httpx.Client(base_url=f"{self.url}/api/v1", timeout=60, trust_env=False)

    def upload(self, client: httpx.Client, *paths: Path) -> list[str]:
        """Upload recordings; returns their ids in order."""
        opened = [("files", (path.name, path.read_bytes())) for path in paths]
        answer = client.post("/upload", files=opened)
        answer.raise_for_status()
        ids: list[str] = answer.json()["file_ids"]
        return ids

    def submit(self, client: httpx.Client, **body: Any) -> str:
        """Ask for a transcription; returns the job's id."""
        job_id: str = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
        return job_id

    def finished(
        self, client: httpx.Client, job_id: str, seconds: float = 300, *, every: float = 0.1
    ) -> dict[str, Any]:
        """The job once it is at an end, asked for so often."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
            if job["status"] in ("completed", "failed", "cancelled"):
                return job
            time.sleep(every)
        raise TimeoutError(f"job {job_id} is not at an end after {seconds} s; see {self.log}")


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_stack(
    folder: Path, models: Path, environment: Mapping[str, str] | None = None, /, **settings: str
) -> Iterator[Stack]:
    """Start `woa serve` and stop it at the end; ``settings`` are further WOA_ variables, lower case.

    ``environment`` are variables of others, such as Prefect's.
    """
    api_port, prefect_port = free_port(), free_port()
    variables = {
        **os.environ,
        **(environment or {}),
        "WOA_DATA_DIR": str(folder),
        "WOA_MODELS_DIR": str(models),
        "WOA_API_PORT": str(api_port),
        "WOA_PREFECT_PORT": str(prefect_port),
        **{f"WOA_{name.upper()}": value for name, value in settings.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve"], env=variables, stdout=output, stderr=output
        )
    prefect_url = settings.get("prefect_api_url", f"http://127.0.0.1:{prefect_port}/api")
    database_url = settings.get("database_url", f"sqlite+aiosqlite:///{folder / 'woa.db'}")
    stack = Stack(f"http://127.0.0.1:{api_port}", prefect_url, database_url, folder, log, process)
    try:
        _wait_until_healthy(stack)
        yield stack
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the supervisor to end everything; insist when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _wait_until_healthy(stack: Stack) -> None:
    limit = time.monotonic() + START_SECONDS
    last = "no answer"
    with stack.client() as client:
        while time.monotonic() < limit and stack.process.poll() is None:
            try:
                last = client.get("/health").text
                if '"healthy"' in last:
                    return
            except httpx.TransportError as error:
                last = str(error)
            time.sleep(0.2)
    tail = stack.log.read_text(errors="replace")[-3000:]
    raise TimeoutError(f"the product is not healthy: {last}\n{tail}")
