"""Answers: JSON made once from a model, and what every route says in the OpenAPI schema of how it may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

PROBLEM_MEDIA_TYPE = "application/problem+json"

_REASONS: dict[int, str] = {
    401: "No API key, or one that this server does not know (`unauthenticated`).",
    403: "A server without keys serves its own machine alone (`key_required`, `host_refused`, `origin_refused`).",
    404: "There is no such thing, or it belongs to somebody else.",
    408: "The client stopped sending (`request_timed_out`).",
    409: "It cannot be done in this state; `code` says why.",
    410: "The results were deleted, or have expired (`result_expired`).",
    413: "Too many bytes or files (`file_too_large`, `body_too_large`, `too_many_files`).",
    415: "A Content-Type that this route does not take (`unsupported_media_type`).",
    422: "The request is wrong; `errors` names the fields.",
    429: "Too much at once (`queue_full`); see `Retry-After`.",
    500: "The server made a mistake (`internal_error`).",
    503: "A part of the server does not answer (`database_unusable`, `blobs_unusable`); see `Retry-After`.",
    507: "The disk or bucket is full (`storage_full`).",
}
_EVERYWHERE = (401, 403, 429, 500, 503)
_WAITING = frozenset({409, 429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer, as bytes: it can be remembered and given again."""

    status: int
    body: bytes

    @classmethod
    def of(cls, model: BaseModel, status: int = 200) -> Answer:
        """The model as JSON."""
        return cls(status, model.model_dump_json().encode("utf-8"))

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer, as HTTP."""
        return Response(self.body, self.status, headers=dict(headers or {}), media_type="application/json")


def shown(model: BaseModel) -> Response:
    """200 with the model as JSON."""
    return Answer.of(model).response()


def refusals(*statuses: int, open_to_all: bool = False) -> dict[int | str, dict[str, Any]]:
    """How a route may refuse, for its OpenAPI entry; what every route may answer comes of itself."""
    general = (500,) if open_to_all else _EVERYWHERE
    return {status: _documented(status) for status in sorted({*statuses, *general})}


def _documented(status: int) -> dict[str, Any]:
    documented: dict[str, Any] = {
        "description": _REASONS[status],
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _WAITING:
        documented["headers"] = {
            "Retry-After": {"description": "Seconds to wait, where waiting helps.", "schema": {"type": "integer"}}
        }
    return documented
