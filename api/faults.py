"""The last net: an exception that nobody expected becomes a 500 that tells nothing, and a traceback in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import internal_error, speech_problem
from storage.errors import DatabaseUnusable

_LOOK_SECONDS = 2.0
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
            answer = await self._answer(scope)
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        """503 when the database is what does not work, however its driver puts it; else 500."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._look()
        except DatabaseUnusable as error:
            return speech_problem(scope, error)
        except TimeoutError:
            return speech_problem(scope, DatabaseUnusable("The database did not answer in time."))
        return internal_error(scope)
