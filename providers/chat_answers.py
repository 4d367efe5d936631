"""What a chat endpoint answers: its text, or what went wrong, in our words.

The one place where the errors of HTTP and of the protocol become ours. Nothing of an answer is in a message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from speech.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)

NAME = "openai_chat"
MOST_BYTES = 2 * 1024**2
"""So long an answer is none to a few hundred words."""
_LONGEST_WAIT = 86_400.0
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of httpx into ours; what is not one of its own passes untouched."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise ProviderTimeout("The chat endpoint did not answer in time.", NAME) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ProviderRejected("WOA_PUNCTUATION_URL is no address that can be asked.", NAME) from error
    except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
        raise ProviderProtocolError("The chat endpoint does not speak HTTP as it should.", NAME) from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"The chat endpoint cannot be reached ({type(error).__name__}).", NAME) from error


def answer_of(response: httpx.Response) -> str:
    """The text that the model wrote.

    Raises:
        ProviderError: the one that the answer means.

    """
    body = _body(response)
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response, body)
    choice = _choice(_json(body))
    if choice.get("finish_reason") == "content_filter":
        raise ProviderRejected("The chat endpoint's filter refuses the text.", NAME)
    if choice.get("finish_reason") == "length":
        raise ProviderProtocolError("The chat model's answer broke off: its limit of tokens is too low.", NAME)
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise ProviderProtocolError("The chat endpoint's answer has no text.", NAME)
    return content


def _body(response: httpx.Response) -> bytes:
    parts = bytearray()
    for part in response.iter_bytes():
        parts += part
        if len(parts) > MOST_BYTES:
            raise ProviderProtocolError("The chat endpoint's answer is too long.", NAME)
    return bytes(parts)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderProtocolError("The chat endpoint's answer is not JSON.", NAME) from error


def _choice(answer: Any) -> dict[str, Any]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ProviderProtocolError("The chat endpoint's answer has no choices.", NAME)
    return choices[0]


def _refusal(response: httpx.Response, body: bytes) -> ProviderError:
    status, wait = response.status_code, _retry_after(response)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AuthenticationFailed(f"The chat endpoint does not accept our key ({status}).", NAME)
    if status == HTTPStatus.PAYMENT_REQUIRED or (status == HTTPStatus.TOO_MANY_REQUESTS and _no_money(body)):
        return QuotaExhausted("The account at the chat endpoint has nothing left.", NAME)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited("The chat endpoint asks us to slow down.", NAME, wait)
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT):
        return ProviderTimeout(f"The chat endpoint did not answer in time ({status}).", NAME, wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderUnavailable(f"The chat endpoint is down ({status}).", NAME, wait)
    if status >= HTTPStatus.BAD_REQUEST:
        return ProviderRejected(f"The chat endpoint refuses the request ({status}): see its model and address.", NAME)
    return ProviderProtocolError(f"The chat endpoint answered {status}, which its protocol does not know.", NAME)


def _no_money(body: bytes) -> bool:
    return any(code.encode() in body for code in _NO_MONEY)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait, given as such or as a date (RFC 9110, 10.2.3)."""
    given = response.headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdigit():
        return min(float(given), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
