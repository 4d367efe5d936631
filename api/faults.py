"""The last net: an exception that nobody expected becomes a 500 that tells nothing, and a traceback in the log."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import internal_error, speech_problem
from api.refusals import NotReady
from storage.errors import DatabaseUnusable

_LOOK_SECONDS = 2.0
_AWAY = {errno.ENOTCONN, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}
_log = structlog.get_logger("api.faults")


class Faults:
    """ASGI middleware. It stands inside those that add headers, so that a 500 carries them too."""

    def __init__(self, app: ASGIApp, look: Callable[[], Awaitable[None]]) -> None:
        """``look`` asks the database whether it works; DatabaseUnusable."""
        self._app = app
        self._look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            _log.info("client went away")
        except Exception as error:
            _log.error("unhandled", exc_info=error)
            if started:
                # The client must see a broken response, not a short one: the server closes the connection.
                raise
            answer = await self._answer(scope, error)
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, fault: Exception) -> Response:
        """503 when the database is what does not work, however its driver puts it, or a connection broke; else 500."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._look()
        except DatabaseUnusable as error:
            return speech_problem(scope, error)
        except TimeoutError:
            return speech_problem(scope, DatabaseUnusable("The database did not answer in time."))
        if _is_outage(fault):
            return speech_problem(scope, NotReady("A part of the server did not answer; try again in a moment."))
        return internal_error(scope)


def _is_outage(fault: Exception) -> bool:
    """Whether a connection could not be made, or broke: by now it may work again."""
    if getattr(fault, "connection_invalidated", False):  # a database driver's error, as SQLAlchemy wraps it
        return True
    if isinstance(fault, ConnectionError | TimeoutError | socket.gaierror):
        return True
    return isinstance(fault, OSError) and fault.errno in _AWAY
