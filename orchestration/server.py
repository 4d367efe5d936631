"""The embedded Prefect server: a supervised child process, for hosts that have no Prefect server of their own."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from orchestration.environment import home, server_environment
from speech.settings import Settings

START_SECONDS = 120.0
STOP_SECONDS = 8.0
POLL_SECONDS = 0.1
TAIL_BYTES = 2000
LOG_BYTES = 10_000_000


class PrefectServerFailed(RuntimeError):
    """The embedded Prefect server did not come up, or went away."""


class PrefectServer:
    """A running embedded server. ``settings`` are the caller's, with the server's URL filled in."""

    def __init__(self, settings: Settings, process: asyncio.subprocess.Process, log: Path) -> None:
        self.settings = settings
        self.process = process
        self.log = log

    @classmethod
    async def start(cls, settings: Settings, *, within: float = START_SECONDS) -> PrefectServer:
        """Start it on ``prefect_port`` (0: a free one) of loopback and wait until it answers.

        Raises:
            PrefectServerFailed: when the port is taken, or it is not healthy within that many seconds; with the end
                of its log.

        """
        port = _free_port(settings.prefect_port)
        with_url = settings.model_copy(update={"prefect_api_url": f"http://127.0.0.1:{port}/api"})
        folder = home(settings)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "server.log"
        process = await _spawn(settings, port, (settings.prefect_ui_url or with_url.prefect_ui).rstrip("/"), log)
        server = cls(with_url, process, log)
        try:
            await server._wait_healthy(within)
        except BaseException:
            await server.stop()
            raise
        return server

    async def _wait_healthy(self, within: float) -> None:
        healthy = asyncio.create_task(_answers(f"{self.settings.prefect}/health"))
        ended = asyncio.create_task(self.process.wait())
        try:
            await asyncio.wait({healthy, ended}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise PrefectServerFailed(f"The embedded Prefect server ended at its start.\n{self.log_tail()}")
            if not healthy.done():
                raise PrefectServerFailed(
                    f"The embedded Prefect server was not up after {within:.0f} seconds.\n{self.log_tail()}"
                )
        finally:
            healthy.cancel()
            ended.cancel()

    def log_tail(self) -> str:
        """The end of the server's log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()

    async def ended(self) -> int:
        """Wait until the process ends, and give its exit status."""
        return await self.process.wait()

    async def stop(self) -> None:
        """End it: politely, then not."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def embedded_server(settings: Settings) -> AsyncIterator[PrefectServer]:
    """An embedded server for the length of a block."""
    server = await PrefectServer.start(settings)
    try:
        yield server
    finally:
        await server.stop()


def _free_port(wanted: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as reason:
            raise PrefectServerFailed(
                f"Port {wanted} on 127.0.0.1 is taken ({reason.strerror}). Set WOA_PREFECT_PORT to another port, or "
                "WOA_PREFECT_API_URL when that is a Prefect server you want to use."
            ) from reason
        port: int = probe.getsockname()[1]
        return port


async def _spawn(settings: Settings, port: int, ui_url: str, log: Path) -> asyncio.subprocess.Process:
    with _open_log(log) as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "orchestration.prefect_main",
            str(port),
            # Its end of this pipe closes with us, even when we are killed: that is how it learns of it.
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            # Prefect reads .env, prefect.toml and pyproject.toml of the working folder; there are none in its home.
            cwd=home(settings),
            env=server_environment(settings, port, ui_url),
            # Ctrl-C goes to everybody on the terminal; the server must outlive those who still talk to it.
            process_group=0,
        )


def _open_log(path: Path) -> BinaryIO:
    """Append to the log, or begin it anew when it has grown too long."""
    grown = path.exists() and path.stat().st_size > LOG_BYTES
    return path.open("wb" if grown else "ab")


async def _answers(url: str) -> None:
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while True:
            try:
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(POLL_SECONDS)
