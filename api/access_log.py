"""One line in the log for each request: method, path without its query, status, milliseconds."""

from __future__ import annotations

import time
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("api.access")
_PROBES = frozenset({"/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"})


class AccessLog:
    """ASGI middleware; probes are logged at debug level, since they come every few seconds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._say(scope, status, time.perf_counter() - started)

    @staticmethod
    def _say(scope: Scope, status: int, seconds: float) -> None:
        say = _log.debug if scope["path"] in _PROBES and status < 400 else _log.info
        # As it was sent, still quoted: a decoded path may hold line ends and control characters.
        path = scope.get("raw_path", b"").partition(b"?")[0].decode("ascii", "replace") or quote(scope["path"])
        say("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1))
