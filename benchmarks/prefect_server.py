"""The Prefect server that `woa serve` would start, started by hand: for products that are to reach it by a detour."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.stack import free_port
from orchestration.environment import home, server_environment
from speech.settings import Settings

START_SECONDS = 120
STOP_SECONDS = 30


@contextmanager
def running_prefect(folder: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Its port, once it answers; ``environment`` goes before what it is told by default."""
    settings = Settings(_env_file=None, data_dir=folder)  # type: ignore[call-arg]
    port = free_port()
    home(settings).mkdir(parents=True)
    variables = server_environment(settings, port, f"http://127.0.0.1:{port}") | dict(environment)
    command = [sys.executable, "-P", "-m", "orchestration.prefect_main", str(port)]
    with (folder / "prefect.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=home(settings), env=variables, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        _wait_until_it_answers(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_SECONDS
    with httpx.Client(timeout=2, trust_env=False) as client:
        while time.monotonic() < limit and process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{port}/api/health").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise TimeoutError("The Prefect server does not answer.")
