"""Everything that goes wrong is answered as ``application/problem+json`` (RFC 9457), with a stable code.

One table maps error classes to statuses; a test shows that no SpeechError is missing from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from api import refusals
from api.answers import PROBLEM_MEDIA_TYPE
from api.refusals import FieldError, Refused
from api.request_ids import request_id_of
from audio.child import DecoderFailed
from speech import errors as speech_errors
from speech.errors import SpeechError, UnsupportedOption
from speech.formats import UnknownFormat
from storage import errors as storage_errors
from storage.blobs import BlobKeyRefused, BlobsUnusable

_log = structlog.get_logger("api.problems")


class ProblemField(BaseModel):
    """What is wrong with one part of the request."""

    field: str = Field(description="Path of the field, as in the request.", examples=["vad.threshold"])
    message: str = Field(description="What is wrong with it.", examples=["Input should be less than 1"])
    code: str = Field(description="A stable word.", examples=["less_than"])
    filename: str | None = Field(None, description="The upload that it is about.", examples=["call.wav"])


class Problem(BaseModel):
    """RFC 9457: what went wrong, in words for people (`detail`) and a word for programs (`code`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:world-of-asr:problem:job_not_found",
                    "title": "Job not found",
                    "status": 404,
                    "detail": "There is no such job.",
                    "code": "job_not_found",
                    "request_id": "4f1d2c9e8a7b4c6d9e0f1a2b3c4d5e6f",
                }
            ]
        }
    )

    type: str = Field(description="A URN made of the code.")
    title: str = Field(description="The code, as people read it.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence that a person can act on.")
    code: str = Field(description="A stable word.")
    request_id: str = Field(description="As in `X-Request-ID`; the server's log names it.")
    errors: list[ProblemField] | None = Field(None, description="The fields or files that are wrong.")


STATUS: dict[type[SpeechError], int] = {
    SpeechError: 500,
    speech_errors.UnexpectedError: 500,
    DecoderFailed: 503,
    speech_errors.InvalidAudio: 422,
    speech_errors.TextMismatch: 422,
    speech_errors.FileTooLarge: 413,
    speech_errors.StorageFull: 507,
    speech_errors.ModelsFull: 507,
    speech_errors.DiskUnusable: 503,
    speech_errors.DownloadFailed: 502,
    speech_errors.UrlRefused: 422,
    speech_errors.UrlNotFound: 422,
    speech_errors.SourceChanged: 422,
    speech_errors.UnsupportedOption: 422,
    speech_errors.UnknownProvider: 422,
    speech_errors.PolicyRefused: 422,
    speech_errors.PlaceRefused: 422,
    speech_errors.ModelNotFound: 422,
    speech_errors.ModelUnavailable: 503,
    speech_errors.ModelNotInstalled: 503,
    speech_errors.JobCancelled: 409,
    speech_errors.JobTimedOut: 409,
    speech_errors.AttemptSuperseded: 409,
    speech_errors.ProviderError: 502,
    speech_errors.ProviderUnavailable: 503,
    speech_errors.DeviceUnavailable: 503,
    speech_errors.ProviderTimeout: 504,
    speech_errors.RateLimited: 503,
    speech_errors.ProviderRejected: 502,
    speech_errors.AuthenticationFailed: 502,
    speech_errors.QuotaExhausted: 502,
    speech_errors.ProviderProtocolError: 502,
    UnknownFormat: 404,
    storage_errors.Missing: 404,
    storage_errors.BlobMissing: 404,
    storage_errors.QueueFull: 429,
    storage_errors.LimitReached: 429,
    storage_errors.TooManyIngests: 409,
    storage_errors.TooManySpeakers: 409,
    storage_errors.SpeakerExists: 409,
    storage_errors.LastTake: 409,
    storage_errors.JobFinished: 409,
    storage_errors.JobNotFinished: 409,
    storage_errors.NothingToRetry: 409,
    storage_errors.JobExpired: 409,
    storage_errors.FileInUse: 409,
    storage_errors.IngestBusy: 409,
    storage_errors.DeliveryForgotten: 410,
    storage_errors.SpecificationUnreadable: 409,
    storage_errors.DatabaseUnusable: 503,
    BlobKeyRefused: 404,
    BlobsUnusable: 503,
    Refused: 400,
    refusals.Unauthenticated: 401,
    refusals.KeyRequired: 403,
    refusals.HostRefused: 403,
    refusals.OriginRefused: 403,
    refusals.RequestTimedOut: 408,
    refusals.BodyTooLarge: 413,
    refusals.TooManyFiles: 413,
    refusals.UnsupportedMediaType: 415,
    refusals.MalformedBody: 422,
    refusals.InvalidRequest: 422,
    refusals.AudioRefused: 422,
    refusals.NotOffered: 422,
    refusals.UrlsRefused: 422,
    refusals.FilesMissing: 404,
    refusals.UnknownFormatAsked: 422,
    refusals.BatchRefused: refusals.BatchRefused.status,
    refusals.IdempotencyKeyReused: 422,
    refusals.RequestInFlight: 409,
    refusals.JobFailed: 409,
    refusals.ResultsCancelled: 409,
    refusals.FileIdRequired: 409,
    refusals.ResultExpired: 410,
    refusals.NotReady: 503,
}

_HTTP_DETAILS = {
    404: ("not_found", "There is nothing at this address; /docs lists what there is."),
    405: ("method_not_allowed", "This address does not take that method; the Allow header lists those it takes."),
}
_PRIVATE: dict[type[SpeechError], str] = {
    storage_errors.DatabaseUnusable: "The database does not answer. What was accepted is kept; try again in a moment.",
    BlobsUnusable: "The storage does not answer. What was accepted is kept; try again in a moment.",
}
"""What clients are told in place of messages that are meant for the operator's eyes, in the log."""
_INTERNAL = "The server made a mistake. Nothing that was accepted is lost; the log names this request id."


def status_of(error: SpeechError) -> int:
    """The HTTP status of an error, by the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    scope: Mapping[str, Any],
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that says what went wrong."""
    body: dict[str, Any] = {
        "type": f"urn:world-of-asr:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_of(scope),
    }
    if errors:
        body["errors"] = [_field(error) for error in errors]
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE)


def internal_error(scope: Mapping[str, Any]) -> Response:
    """The answer to a mistake of ours: it tells nothing of the exception."""
    return problem(scope, 500, "internal_error", _INTERNAL)


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""
    app.add_exception_handler(SpeechError, _on_speech_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)


MOST_ERRORS = 100
"""Fields that one answer names at most: nobody mends more at a time."""


def field_errors(found: Iterable[Mapping[str, Any]], *, skip: int = 0) -> tuple[FieldError, ...]:
    """Pydantic's findings as ours, without the values that were given; ``skip`` leading parts of the path."""
    return tuple(FieldError(_path(error["loc"][skip:]), str(error["msg"]), str(error["type"])) for error in found)


def invalid_request(error: ValidationError) -> refusals.InvalidRequest:
    """The refusal of a body whose fields are wrong."""
    errors = field_errors(error.errors(include_url=False, include_input=False, include_context=False))
    return refusals.InvalidRequest(_sentence(errors), errors[:MOST_ERRORS])


def _sentence(errors: Sequence[FieldError]) -> str:
    first = errors[0]
    more = f" ({len(errors) - 1} more in errors)" if len(errors) > 1 else ""
    return f"{first.field or 'body'}: {first.message}{more}."


def _path(parts: Sequence[Any]) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _field(error: FieldError) -> dict[str, str]:
    body = {"field": error.field, "message": error.message, "code": error.code}
    if error.filename is not None:
        body["filename"] = error.filename
    return body


async def _on_speech_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SpeechError)  # noqa: S101 - Starlette calls by class
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("unhandled", exc_info=error)
        return internal_error(request.scope)
    return speech_problem(request.scope, error)


def speech_problem(scope: Mapping[str, Any], error: SpeechError) -> Response:
    """The answer to one of our errors that has a status of its own."""
    status = status_of(error)
    detail = _PRIVATE.get(type(error), error.message)
    if type(error) in _PRIVATE:
        _log.error("unusable", code=error.code, reason=error.message)
    return problem(scope, status, error.code, detail, errors=_errors_of(error), headers=_headers_of(status, error))


def _errors_of(error: SpeechError) -> tuple[FieldError, ...]:
    if isinstance(error, Refused):
        return error.errors
    if isinstance(error, UnsupportedOption) and error.field:
        return (FieldError(error.field, error.message, error.code),)
    return ()


def _headers_of(status: int, error: SpeechError) -> dict[str, str]:
    headers = {}
    wait: float | None = getattr(error, "retry_after", None)
    if wait is None and status in (429, 503):
        wait = 5
    if wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls by class
    phrase = HTTPStatus(error.status_code).phrase
    code, detail = _HTTP_DETAILS.get(error.status_code, (phrase.lower().replace(" ", "_"), f"{phrase}."))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem(request.scope, error.status_code, code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """All methods of this address: the router itself names those of the first route that fits."""
    routes: list[BaseRoute] = request.app.router.routes
    allowed = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["GET", "HEAD", *allowed[1:]] if "GET" in allowed else allowed


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette calls by class
    errors = field_errors(error.errors(), skip=1)
    return problem(request.scope, 422, "invalid_request", _sentence(errors), errors=errors)
