"""The engine's local socket, in the process that has the models: live servers of the same user ask over it.

Who may connect is a matter of the file system (engine/sockets.py) and of the kernel's word for who is at the other end;
what is said lies in engine/messages.py; what a request means is the handler's business.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path

import structlog

from engine.asking import Handler, Limits, Places
from engine.connection import Connection
from engine.errors import EngineBusy
from engine.sockets import Listener, user_of

log = structlog.get_logger(__name__)

LEAVE_SECONDS = 1.0


class EngineServer:
    """Listens at ``path`` until it is closed. Made by ``open``; lives on one event loop."""

    def __init__(self, listener: Listener, handler: Handler, limits: Limits) -> None:
        self.path = listener.path
        self._listener = listener
        self._limits = limits
        self._places = Places(handler, limits.requests)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, folder: Path, handler: Handler, limits: Limits) -> EngineServer:
        """Listen in ``folder``; ``handler`` is called in a thread for each request.

        Raises:
            OSError: when the folder is somebody else's, or takes no sockets.

        """
        listener = await asyncio.to_thread(Listener.open, folder)
        server = cls(listener, handler, limits)
        server._server = await asyncio.start_unix_server(server._serve, sock=listener.socket)
        return server

    @property
    def busy(self) -> int:
        """Requests whose threads go on."""
        return self._places.busy

    @property
    def connections(self) -> int:
        """Live servers that are connected."""
        return len(self._connections)

    async def close(self) -> None:
        """Listen no more, drop what is under way, and give its threads a moment to end."""
        if self._server is not None:
            self._server.close()
        self._listener.remove()
        serving = set(self._connections.values())
        for connection in list(self._connections):
            connection.close()
        await _settled(asyncio.wait(serving) if serving else asyncio.sleep(0))
        await _settled(self._idle())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._places, self._limits)
        user = user_of(writer.get_extra_info("socket"))
        if user != os.geteuid():
            log.warning("another user was turned away from the engine's socket", user=user)
            return connection.close()
        if len(self._connections) >= self._limits.connections:
            await connection.send_away(EngineBusy(f"The engine has {self._limits.connections} live servers, its most."))
            return connection.close()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        self._connections[connection] = task
        try:
            return await connection.serve()
        finally:
            del self._connections[connection]

    async def _idle(self) -> None:
        while self.busy:  # noqa: ASYNC110 - threads end when they end
            await asyncio.sleep(0.02)


async def _settled(work: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await work
    except TimeoutError:
        return
