"""One live server at the engine's socket: its frames are read one after another, its requests run beside each other.

Nothing is read while the other end does not read what it was answered, so that answers do not pile up; when it does
not for `WRITE_SECONDS` it is taken for gone. Whoever is gone wants nothing any more.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time

import structlog

from engine.asking import Asked, Limits, Places
from engine.errors import DeadlinePassed, EngineRefused
from engine.failures import failure_of
from engine.frames import BadFrame, Head, read_head, read_payload, skip_payload
from engine.messages import VERSION, Cancel, Hello, Message, Recognise, Result, Welcome, parse, said
from engine.pcm import MOST_BYTES, WIDTHS, check_length, decoded
from speech.errors import SpeechError

log = structlog.get_logger(__name__)

HELLO_SECONDS = 5.0
WRITE_SECONDS = 30.0
LAST_WORD_SECONDS = 1.0


class Connection:
    """Made for each one that connects; ``serve`` ends when it is gone, or was sent away."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, places: Places, limits: Limits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._places = places
        self._limits = limits
        self._writing = asyncio.Lock()
        self._cancelled: dict[int, threading.Event] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer until the other end is gone or breaks the protocol."""
        try:
            await self._greet()
            while (head := await self._next()) is not None:
                await self._take(head)
        except BadFrame as reason:
            log.warning("a live server was sent away", reason=str(reason))
            await self.send_away(EngineRefused(str(reason)))
        except (EOFError, OSError):  # gone in the middle of a frame; TimeoutError: it reads nothing
            pass
        finally:
            self.close()

    async def send_away(self, reason: SpeechError) -> None:
        """Say why, and listen a moment longer: what lies unread when a socket is closed takes the answer with it."""
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._say(failure_of(reason, None))
                self._writer.write_eof()
                while await self._reader.read(2**16):
                    pass
        except OSError:  # TimeoutError too: it had its moment
            return

    def close(self) -> None:
        """Drop everything that is under way for it."""
        for cancelled in self._cancelled.values():
            cancelled.set()
        # Not only closed: what waits to be written to one who does not read would keep the socket for ever.
        self._writer.transport.abort()

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                head = await read_head(self._reader)
        except TimeoutError:
            raise BadFrame(f"Whoever connects says hello within {HELLO_SECONDS:g} seconds.") from None
        if head is None:
            raise EOFError
        hello = parse(head.header)
        if not isinstance(hello, Hello) or head.payload_bytes:
            raise BadFrame("Whoever connects says hello first.")
        if hello.version != VERSION:
            raise BadFrame(f"This engine speaks version {VERSION} of the protocol, not {hello.version}.")
        await self._say(Welcome(audio_seconds=self._limits.audio_seconds, requests=self._limits.requests))

    async def _next(self) -> Head | None:
        async with self._writing:
            await self._drained()
        return await read_head(self._reader)

    async def _take(self, head: Head) -> None:
        message = parse(head.header)
        if head.payload_bytes > (MOST_BYTES if isinstance(message, Recognise) else 0):
            raise BadFrame(f"A payload of {head.payload_bytes} bytes is too long for {message.type}.")
        if isinstance(message, Recognise):
            await self._recognise(message, head)
        elif isinstance(message, Cancel):
            if message.id in self._cancelled:
                self._cancelled[message.id].set()
        else:
            raise BadFrame(f"An engine is not told {message.type}.")

    async def _recognise(self, request: Recognise, head: Head) -> None:
        if request.id in self._cancelled:
            raise BadFrame(f"The request {request.id} is under way already.")
        arrived = time.monotonic()
        try:
            check_length(head.payload_bytes // WIDTHS[request.encoding], self._limits.audio_seconds)
        except SpeechError as reason:
            await skip_payload(self._reader, head)
            return await self._say(failure_of(reason, request.id))
        payload = await read_payload(self._reader, head)
        try:
            answer = self._start(request, payload, arrived)
        except SpeechError as reason:
            return await self._say(failure_of(reason, request.id))
        task = asyncio.create_task(self._answer(request.id, answer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return None

    def _start(self, request: Recognise, payload: bytes, arrived: float) -> asyncio.Future[bytes]:
        cancelled = threading.Event()
        asked = Asked(
            owner=request.owner,
            options=request.options,
            samples=decoded(payload, request.encoding),
            deadline=math.inf if request.seconds is None else arrived + request.seconds,
            expires=request.expires,
            cancelled=cancelled.is_set,
        )
        if asked.late(time.monotonic()):
            raise DeadlinePassed("The deadline had passed before the request was here.")
        answer = self._places.start(asked)
        self._cancelled[request.id] = cancelled
        return answer

    async def _answer(self, request: int, answer: asyncio.Future[bytes]) -> None:
        try:
            words = await answer
            message: Message = Result(id=request)
        except SpeechError as reason:
            words, message = b"", failure_of(reason, request)
        del self._cancelled[request]
        try:
            await self._say(message, words)
        except OSError:  # TimeoutError too: the other end is gone, or as good as
            self.close()

    async def _say(self, message: Message, payload: bytes = b"") -> None:
        async with self._writing:
            if self._writer.is_closing():
                return
            self._writer.write(said(message, len(payload)) + payload)
            await self._drained()

    async def _drained(self) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()
