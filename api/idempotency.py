"""``Idempotency-Key``: a request that is sent again is answered again, and done once (per owner and route, 24 h)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Header

from api.answers import Answer
from api.refusals import FieldError, IdempotencyKeyReused, InvalidRequest, RequestInFlight
from orchestration.beside import beside
from speech.errors import SpeechError
from storage.errors import Missing
from storage.idempotency import IN_FLIGHT, Conflict, Fresh, Gone, InFlight, Replay
from storage.ids import new_id
from storage.store import Store

HEADER = "Idempotency-Key"
_LAWFUL = re.compile(r"[\x21-\x7e]{1,255}")
_LONGEST_WAIT = 2.0
_KEEP_SECONDS = IN_FLIGHT.total_seconds() / 4

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="A word of the client's choice, 1 to 255 visible ASCII characters. The same request sent again "
        "with it within 24 hours is answered again and done once.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


def checked_key(given: str | None) -> str | None:
    """The header's value; InvalidRequest unless it is 1 to 255 visible ASCII characters."""
    if given is None or _LAWFUL.fullmatch(given):
        return given
    message = f"{HEADER} has 1 to 255 visible ASCII characters."
    raise InvalidRequest(message, [FieldError(HEADER, message, "string_pattern_mismatch")])


def digest_of(value: Any) -> str:
    """A digest of a JSON value that depends neither on the order of names nor on white space."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


async def once(
    store: Store,
    owner_id: str,
    route: str,
    key: str | None,
    body_hash: str,
    do: Callable[[str], Awaitable[Answer]],
) -> Answer:
    """Do it and remember the answer, or give the answer that it had. ``do`` is told the id for what it creates.

    A refusal leaves nothing behind, so that the key may be used again. After any other error nobody knows whether it
    was done: the key stays in flight for a while, and then the same id is used once more.

    Raises:
        IdempotencyKeyReused: the key came with another body before.
        RequestInFlight: the first request with the key is still being answered.
        Missing: resource_deleted, when what was made with the key is gone.

    """
    if key is None:
        return await do(new_id())
    verdict = await store.idempotency.begin(owner_id, route, key, body_hash)
    match verdict:
        case Replay():
            return Answer(verdict.status, verdict.body)
        case Gone():
            raise Missing(f"What was made with this {HEADER} was deleted; choose a new one.", "resource_deleted")
        case Conflict():
            raise IdempotencyKeyReused(f"This {HEADER} was used with another body; choose a new one.")
        case InFlight():
            raise RequestInFlight(
                f"The request with this {HEADER} is still being answered; ask again in a moment.",
                retry_after=min(verdict.retry_after, _LONGEST_WAIT),
            )
        case Fresh():
            return await _remembered(store, owner_id, route, key, verdict.resource_id, do)


async def _remembered(
    store: Store, owner_id: str, route: str, key: str, resource_id: str, do: Callable[[str], Awaitable[Answer]]
) -> Answer:
    try:
        async with beside(_keep(store, owner_id, route, key)):
            answer = await do(resource_id)
    except SpeechError:
        await store.idempotency.abandon(owner_id, route, key)
        raise
    await store.idempotency.finish(owner_id, route, key, answer.status, answer.body)
    return answer


async def _keep(store: Store, owner_id: str, route: str, key: str) -> None:
    """Say again and again that the request is being answered: who asks meanwhile must not believe us dead."""
    while True:
        await asyncio.sleep(_KEEP_SECONDS)
        with suppress(Exception):  # the request itself meets whatever it is, and says so
            await store.idempotency.keep(owner_id, route, key)
