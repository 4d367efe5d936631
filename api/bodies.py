"""Bodies as clients really send them: too large, too slow, too deep, twice named, or never ended.

:func:`read_json` reads a small JSON body strictly. :class:`Lingering` sees to it that a client which is refused in
the middle of a large body can read why: a server that closes at once would reset the connection under its answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NoReturn

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.refusals import BodyTooLarge, MalformedBody, RequestTimedOut, UnsupportedMediaType

JSON_BYTES = 1024 * 1024
"""Largest JSON body."""
JSON_DEPTH = 32
"""Deepest nesting of arrays and objects in a JSON body."""
STALL_SECONDS = 60.0
"""How long a client may send nothing in the middle of a body."""
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read and thrown away."""
LINGER_BYTES = 64 * 1024 * 1024
_PARSED_AT_ONCE = 32 * 1024


async def chunks_of(request: Request, stall_seconds: float = STALL_SECONDS) -> AsyncIterator[bytes]:
    """The body as it comes in.

    Raises:
        RequestTimedOut: nothing came for ``stall_seconds``.
        ClientDisconnect: the client went away.

    """
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RequestTimedOut(f"Nothing of the body came for {stall_seconds:g} seconds; send it again.") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


async def read_json(request: Request, most: int = JSON_BYTES) -> Any:
    """The JSON value in the body, of ``most`` bytes.

    Raises:
        UnsupportedMediaType: the body does not say that it is JSON.
        BodyTooLarge: more than that.
        MalformedBody: not UTF-8, not JSON, NaN, Infinity or a number beyond floats in it, a key twice in one object, or
            nested too deeply.

    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType("Send the body as `Content-Type: application/json`.")
    body = await _read(request, most)
    return parse_json(body) if len(body) <= _PARSED_AT_ONCE else await to_thread.run_sync(parse_json, body)


def parse_json(body: bytes) -> Any:
    """Read JSON strictly; raises MalformedBody."""
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_twins
        )
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except (RecursionError, ValueError):
        raise MalformedBody("The body holds a number that is too long, or is nested too deeply.") from None
    _check_inside(value)
    return value


async def _read(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    body = bytearray()
    if not (declared.isdecimal() and int(declared) > most):
        async for chunk in chunks_of(request):
            body += chunk
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise BodyTooLarge(f"The body may have {most} bytes at most.")


def _check_inside(value: Any) -> None:
    """Refuse what databases and encoders would stumble over later: deep nesting, NUL, halves of surrogate pairs."""
    level = [value]
    for depth in itertools.count():
        if not level:
            return
        if depth > JSON_DEPTH or (depth == JSON_DEPTH and any(isinstance(item, dict | list) for item in level)):
            raise MalformedBody(f"The body is nested more than {JSON_DEPTH} deep.")
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise MalformedBody("The body holds a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedBody("The body holds half of a surrogate pair, which is no character.")


def _no_constant(name: str) -> NoReturn:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedBody("The body holds a number that is too large to be kept.")
    return number


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twin = next(name for name, times in counted.items() if times > 1)
        raise MalformedBody(f"The body names {twin[:64]!r} twice in one object.")
    return found


class Lingering:
    """ASGI middleware: after an early refusal, reads the rest of the body for a while, then closes the connection."""

    def __init__(self, app: ASGIApp, seconds: float = LINGER_SECONDS, limit: int = LINGER_BYTES) -> None:
        self._app = app
        self._seconds = seconds
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread = _Unread(receive, expects=Headers(scope=scope).get("expect", "").lower() == "100-continue")
        refused = False

        async def lingering(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400 and unread.more:
                refused = True
                MutableHeaders(scope=message)["Connection"] = "close"
            if refused and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self._drain(unread)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, unread.receive, lingering)

    async def _drain(self, unread: _Unread) -> None:
        left = self._limit
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while unread.more and left > 0:
                    message = await unread.receive()
                    left -= len(message.get("body", b""))


class _Unread:
    """The receiving side of a request, and whether there is more of the body to come."""

    def __init__(self, receive: Receive, *, expects: bool) -> None:
        self._receive = receive
        # A client that waits for "100 Continue" sends no body until somebody reads: then there is nothing to drain.
        self.more = not expects

    async def receive(self) -> Message:
        self.more = True
        message = await self._receive()
        self.more = message["type"] == "http.request" and bool(message.get("more_body", False))
        return message


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
