"""A door in front of a server that can be shut: what its clients see when it is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Gate:
    """Passes connections on to ``url``'s host and port while it is open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = parts.path
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    @property
    def url(self) -> str:
        """What clients are told."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def open(self) -> None:
        """Let everybody through, on the same port as before."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Let nothing through, and tell nobody: as when the host behind it is lost."""
        self._passing.clear()

    def release(self) -> None:
        """Let through what was held, and what comes."""
        self._passing.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ends = {writer, there_writer}
        self._open |= ends
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))
        finally:
            self._open -= ends

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._passing.wait()
                target.write(data)
                await target.drain()
        with suppress(OSError, RuntimeError):
            target.close()
