"""Browsers of other origins, as far as the operator's settings let them in."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from api.problems import problem
from api.request_ids import REQUEST_ID

EXPOSED = ("X-Request-ID", "Location", "ETag", "Retry-After", "Content-Disposition")
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "X-Request-ID")
_REFUSED = "This origin, method or header is not allowed here; the operator names origins in WOA_CORS_ORIGINS."


class Cors(CORSMiddleware):
    """Starlette's, with our headers, and refusals as problems."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=EXPOSED,
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a browser is told before it sends the request itself."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        # Starlette hands over the headers alone; the id of the request is where its log lines have it from.
        named = {REQUEST_ID: structlog.contextvars.get_contextvars().get("request_id", "")}
        return problem(named, response.status_code, "cors_refused", _REFUSED, headers={"Vary": "Origin"})
