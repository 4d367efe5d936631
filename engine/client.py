"""Asking the engine of another process on this machine, over its local socket: no inference library is imported.

::

    async with EngineClient.connect(path) as engine:
        words = await engine.recognise(samples, TranscribeRequest(model="base", language="en"), deadline=1.5)
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.samples import Samples
from engine.errors import EngineLost, EngineRefused
from engine.failures import error_of
from engine.frames import LENGTHS_BYTES, BadFrame, Head, read_head, read_payload
from engine.messages import VERSION, Cancel, Failed, Hello, Recognise, Result, Welcome, parse, said
from engine.pcm import check_length, encoded
from engine.sockets import address_of
from speech.codec import recognition_from_json
from speech.errors import UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Recognition

CONNECT_SECONDS = 5.0
ANSWER_BYTES = 64 * 1024**2
"""The longest answer that is believed."""
_TOO_MUCH = "The options are too long, too deep, or no text that can be sent."


class EngineClient:
    """One connection, for any number of requests at once. Made by ``connect``; used from one event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: Welcome) -> None:
        self.audio_seconds = welcome.audio_seconds
        """The longest audio of one request, in seconds."""
        self.requests = welcome.requests
        """How many requests the engine takes at once, from all together."""
        self._reader = reader
        self._writer = writer
        self._sending = asyncio.Lock()
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Recognition]] = {}
        self._lost: str | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, path: Path | str) -> AsyncIterator[EngineClient]:
        """Be connected to the engine that listens at ``path`` for the length of the block.

        Raises:
            EngineLost: when none does, or it does not answer.
            EngineBusy: when it has as many live servers as it takes.
            EngineRefused: when it speaks another version of the protocol.

        """
        reader, writer = await _open(Path(path))
        try:
            client = cls(reader, writer, await _greeted(reader, writer))
            listening = asyncio.create_task(client._listen())
            try:
                yield client
            finally:
                listening.cancel()
                await asyncio.wait({listening})
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def alive(self) -> bool:
        """Whether it is worth asking."""
        return self._lost is None

    async def recognise(
        self,
        samples: Samples | NDArray[np.int16],
        request: TranscribeRequest | None = None,
        *,
        owner: str = "",
        deadline: float | None = None,
        expires: bool = True,
    ) -> Recognition:
        """The words of one piece of audio: mono, 16 kHz, float32 or int16; positions are relative to its start.

        ``deadline`` is in seconds from now: of those who wait for the device the earliest goes first, and who has none
        goes last. When ``expires`` is false, what is late is recognised all the same. Cancelling the task that awaits
        this cancels the request. A process that hangs does not answer: whoever cannot wait puts a timeout around.

        Raises:
            DeadlinePassed: when the device had no time for it before the deadline.
            EngineBusy: when as many requests are under way as the engine takes.
            EngineLost: when the connection is, or gets lost.
            InvalidAudio: when the audio is longer than ``audio_seconds``, or not mono.
            UnsupportedOption: when the options are too much for one message.
            SpeechError: whatever the provider raises: ModelNotFound, ProviderError ...

        """
        check_length(samples.size, self.audio_seconds)
        number, now = next(self._numbers), asyncio.get_running_loop().time
        until = None if deadline is None else now() + deadline
        encoding, payload = encoded(samples)
        options = _options(request or TranscribeRequest())
        try:
            async with self._sending:
                left = None if until is None else until - now()
                message = Recognise(
                    id=number, owner=owner, options=options, seconds=left, expires=expires, encoding=encoding
                )
                answer = await self._ask(message, payload)
            return await answer
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._waiting.pop(number, None)

    async def _ask(self, message: Recognise, payload: memoryview) -> asyncio.Future[Recognition]:
        """Send a request, at the pace at which the engine reads; the future has its answer."""
        if self._lost is not None:
            raise EngineLost(self._lost)
        head = _checked(message, payload.nbytes)
        answer = self._waiting[message.id] = asyncio.get_running_loop().create_future()
        self._writer.write(head)
        self._writer.write(payload)
        with suppress(OSError):  # lost: the answer says so
            await self._writer.drain()
        return answer

    def _cancel(self, number: int) -> None:
        if number in self._waiting and self.alive:
            self._writer.write(said(Cancel(id=number)))

    async def _listen(self) -> None:
        why = "The engine went away."
        try:
            while (head := await read_head(self._reader)) is not None:
                await self._take(head)
        except BadFrame as reason:
            why = f"The engine went away: {reason}"
        except (EOFError, OSError):  # in the middle of a frame
            pass
        finally:
            self._lose(why)

    async def _take(self, head: Head) -> None:
        message = parse(head.header)
        if head.payload_bytes > (ANSWER_BYTES if isinstance(message, Result) else 0):
            raise BadFrame("its answer is too long.")
        if isinstance(message, Result):
            words = _recognition(await read_payload(self._reader, head))
            if (answer := self._waiting.get(message.id)) is not None and not answer.done():
                answer.set_result(words)
        elif not isinstance(message, Failed):
            raise BadFrame(f"it said {message.type}.")
        elif message.id is None:
            raise BadFrame(message.message)
        elif (answer := self._waiting.get(message.id)) is not None and not answer.done():
            answer.set_exception(error_of(message))

    def _lose(self, why: str) -> None:
        self._lost = why
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(EngineLost(why))
        # Who is in the midst of sending, to one who does not read, hears of it too.
        self._writer.transport.abort()


async def _open(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        with address_of(path) as address:
            return await asyncio.open_unix_connection(address)
    except OSError as reason:
        raise EngineLost(f"No engine listens at {path} ({type(reason).__name__}).") from None


async def _greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Welcome:
    writer.write(said(Hello(version=VERSION)))
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            head = await read_head(reader)
        message = parse(head.header) if head is not None else None
    except TimeoutError:
        raise EngineLost(f"The engine gave no answer within {CONNECT_SECONDS:g} seconds.") from None
    except BadFrame as reason:
        raise EngineRefused(f"What listens there is no engine: {reason}") from None
    if message is None:
        raise EngineLost("The engine closed the connection.")
    if isinstance(message, Failed):
        raise error_of(message)
    if not isinstance(message, Welcome) or message.version != VERSION:
        raise EngineRefused(f"What listens there speaks no version {VERSION} of the protocol.")
    return message


def _checked(message: Recognise, payload_bytes: int) -> bytes:
    """A request up to its payload; one that the engine would not understand would end it for all others too.

    Raises:
        UnsupportedOption: when its options are too much.

    """
    try:
        head = said(message, payload_bytes)
        parse(head[LENGTHS_BYTES:])
    except (BadFrame, ValueError, RecursionError):
        raise UnsupportedOption(_TOO_MUCH, "options") from None
    return head


def _options(request: TranscribeRequest) -> dict[str, Any]:
    try:
        # Whether a field was given means something: word times are missed by who asked for them only.
        return request.model_dump(mode="json", exclude_unset=True)
    except ValueError:
        raise UnsupportedOption(_TOO_MUCH, "options") from None


def _recognition(payload: bytes) -> Recognition:
    try:
        return recognition_from_json(json.loads(payload))
    except (ValueError, RecursionError):
        raise BadFrame("its words are none.") from None
