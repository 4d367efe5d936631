"""Errors that only the HTTP door knows; the others are in speech.errors and storage.errors.

::

    Refused(message, errors, retry_after)
    ├─ 401 Unauthenticated · 403 KeyRequired · HostRefused · OriginRefused
    ├─ 408 RequestTimedOut · 413 BodyTooLarge · TooManyFiles · 415 UnsupportedMediaType
    ├─ 422 MalformedBody · InvalidRequest · AudioRefused · UnknownFormatAsked · NotOffered · UrlsRefused
    │  BatchRefused · IdempotencyKeyReused
    ├─ 404 FilesMissing
    ├─ 409 JobFailed · ResultsCancelled · FileIdRequired · RequestInFlight
    ├─ 410 ResultExpired
    └─ 503 NotReady
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from speech.errors import SpeechError, UnsupportedOption


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. ``field`` is a path such as ``vad.threshold`` or ``files[1]``;
    ``code`` a stable word; ``filename`` the name of the upload that it is about, as the client gave it."""

    field: str
    message: str
    code: str
    filename: str | None = None


class Refused(SpeechError):
    """A request that is not done; ``retry_after`` seconds, where waiting helps."""

    code = "refused"

    def __init__(self, message: str = "", errors: Sequence[FieldError] = (), retry_after: float | None = None) -> None:
        super().__init__(message)
        self.args = (message, tuple(errors), retry_after)
        self.errors = tuple(errors)
        self.retry_after = retry_after


def inside(place: str, error: Refused | UnsupportedOption) -> SpeechError:
    """The same refusal of what is part of something larger, at ``place`` in it."""
    if isinstance(error, UnsupportedOption):
        return type(error)(error.message, f"{place}.{error.field}" if error.field else place)
    fields = [replace(each, field=f"{place}.{each.field}" if each.field else place) for each in error.errors]
    return type(error)(error.message, fields, error.retry_after)


class Unauthenticated(Refused):
    """No key, or one that this server does not know."""

    code = "unauthenticated"


class KeyRequired(Refused):
    """A server without keys serves its own machine alone."""

    code = "key_required"


class HostRefused(Refused):
    """The Host header names a site that is not this server: a web page may be reaching for it."""

    code = "host_refused"


class OriginRefused(Refused):
    """A web page of another site wants to change something."""

    code = "origin_refused"


class RequestTimedOut(Refused):
    """The client stopped sending in the middle of a body."""

    code = "request_timed_out"


class BodyTooLarge(Refused):
    """More bytes than this route takes."""

    code = "body_too_large"


class TooManyFiles(Refused):
    """More files in one upload than the operator allows."""

    code = "too_many_files"


class UnsupportedMediaType(Refused):
    """A Content-Type that this route does not take."""

    code = "unsupported_media_type"


class MalformedBody(Refused):
    """A body that breaks the rules of its own format."""

    code = "malformed_body"


class InvalidRequest(Refused):
    """A well-formed request whose fields are wrong; ``errors`` names them."""

    code = "invalid_request"


class UnknownFormatAsked(Refused):
    """``output_formats`` names a format that there is not."""

    code = "unknown_format"


class NotOffered(Refused):
    """Parts of the body that this server does not offer yet; ``errors`` names them."""

    code = "unsupported_option"


class UrlsRefused(Refused):
    """URLs that this server does not fetch; ``errors`` names them."""

    code = "url_refused"


class FilesMissing(Refused):
    """Files of a request that the owner does not have; ``errors`` names them."""

    code = "file_not_found"


class AudioRefused(Refused):
    """Files of an upload hold no audio that can be decoded; ``errors`` names them."""

    code = "invalid_audio"


class BatchRefused(Refused):
    """Items of a batch that are wrong; ``errors`` names their fields, and ``code`` is that of the first."""

    code = "invalid_request"
    status: ClassVar[int] = 422

    def __init__(self, message: str = "", errors: Sequence[FieldError] = (), *, code: str = code) -> None:
        super().__init__(message, errors)
        self.code = code  # type: ignore[misc]  # one class, and the code of whatever is wrong with the first item

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), code=self.code), (self.message, self.errors)


class IdempotencyKeyReused(Refused):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"


class RequestInFlight(Refused):
    """The first request with this Idempotency-Key is still being answered."""

    code = "request_in_flight"


class JobFailed(Refused):
    """There are no results, and there will be none."""

    code = "job_failed"


class ResultsCancelled(Refused):
    """The job was cancelled before it had results."""

    code = "job_cancelled"


class FileIdRequired(Refused):
    """A job of several files: say which one."""

    code = "file_id_required"


class ResultExpired(Refused):
    """The results were deleted."""

    code = "result_expired"


class NotReady(Refused):
    """A job could not be accepted now."""

    code = "not_ready"
