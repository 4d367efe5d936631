"""Errors on their way over the engine's socket: who asked meets the error that was raised."""

from __future__ import annotations

from collections.abc import Iterator

from engine import errors as engine_errors
from engine.messages import Failed
from speech import errors as speech_errors
from speech.errors import ProviderError, ProviderUnavailable, SpeechError, UnexpectedError, UnsupportedOption

MESSAGE_LENGTH = 2000
FIELD_LENGTH = 200


def _tree(base: type[SpeechError]) -> Iterator[type[SpeechError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _tree(kind)


_OURS = (speech_errors.__name__, engine_errors.__name__)
_KINDS = {kind.code: kind for kind in _tree(SpeechError) if kind.__module__ in _OURS}


def failure_of(error: SpeechError, request: int | None) -> Failed:
    """What is said of an error that a request ended with, or None: the connection."""
    return Failed(
        id=request,
        code=error.code,
        message=_sayable(error.message, MESSAGE_LENGTH),
        retryable=error.retryable,
        field=_sayable(error.field, FIELD_LENGTH) if isinstance(error, UnsupportedOption) else "",
        provider=error.provider if isinstance(error, ProviderError) else "",
        retry_after=error.retry_after if isinstance(error, ProviderError) else None,
    )


def _sayable(text: str, length: int) -> str:
    """Text that fits into a message; it may quote names that somebody else made up."""
    return text[:length].encode(errors="replace").decode()


def error_of(failed: Failed) -> SpeechError:
    """The error that was said; one of another package's as the nearest of ours: worth another try, or not."""
    kind = _KINDS.get(failed.code, ProviderUnavailable if failed.retryable else UnexpectedError)
    if issubclass(kind, ProviderError):
        return kind(failed.message, failed.provider, failed.retry_after)
    if issubclass(kind, UnsupportedOption):
        return kind(failed.message, failed.field)
    return kind(failed.message)
