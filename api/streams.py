"""A job's log as Server-Sent Events (HTML Standard, section 9.2), for as long as a client listens.

The framing is FastAPI's. A client that leaves is let go at once, and so is one that takes nothing for a minute: it can
go on where it was. What waits for a slow client is a page of the log, and the rest stays in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from speech.events import JobEvent
from storage.tail import FollowedLog, Tail

SILENCE_SECONDS = 15.0
"""After so long without an event, a comment shows that the connection lives."""
STALL_SECONDS = 60.0
"""How long a client may take nothing of what is sent."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(EventSourceResponse):
    """The entries of a job's log after ``position``, to the one that says how the job ended."""

    def __init__(self, tail: Tail, job_id: str, position: int) -> None:
        self._frames = _frames(tail, job_id, position)
        super().__init__(self._frames, headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the job has ended, the client has left, or the server stops."""

        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        async with aclosing(self._frames):
            streaming = asyncio.create_task(self.stream_response(patient))
            leaving = asyncio.create_task(self.listen_for_disconnect(receive))
            try:
                await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                streaming.cancel()
                leaving.cancel()
                await asyncio.wait({streaming, leaving})
        if not streaming.cancelled():
            streaming.result()


async def _frames(tail: Tail, job_id: str, position: int) -> AsyncGenerator[bytes, None]:
    with tail.follow(job_id) as log:
        while not log.closed:
            entries = await log.after(position)
            for entry in entries:
                yield _frame(entry)
                if entry.kind.is_end:
                    return
                position = entry.number
            if not entries and await _silent(log, position):
                yield KEEPALIVE_COMMENT


async def _silent(log: FollowedLog, position: int) -> bool:
    return not await log.grows(position, SILENCE_SECONDS) and not log.closed


def _frame(entry: JobEvent) -> bytes:
    return format_sse_event(event=str(entry.kind), data_str=entry.data, id=str(entry.number))
