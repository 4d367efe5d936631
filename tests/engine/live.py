"""A handler that does what its requests say, an engine that serves it, and bare connections to that."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio.samples import SAMPLE_RATE
from engine.asking import Asked, Limits
from engine.server import EngineServer
from speech.errors import JobCancelled, SpeechError
from speech.options import TranscribeRequest
from speech.transcript import Recognition, Segment
from tests.engine.patience import PATIENCE

LIMITS = Limits(connections=2, requests=3, audio_seconds=2.0)


@dataclass
class Clerk:
    """Says how long the audio was. Told to wait, it does until ``go``; told to fail, it raises ``failure``."""

    failure: BaseException = field(default_factory=SpeechError)
    size: int = 0
    asked: list[Asked] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    dropped: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Recognition:
        self.asked.append(asked)
        told = asked.options.get("initial_prompt")
        while told == "wait" and not self.go.wait(0.01):
            if asked.cancelled():
                self.dropped.append(asked.owner)
                raise JobCancelled("Nobody wants it.")
        if told == "fail":
            raise self.failure
        seconds = asked.samples.size / SAMPLE_RATE
        return Recognition((Segment(0.0, seconds, f"{asked.owner} {'x' * self.size}".strip()),), "en", 0.5)


WAIT = TranscribeRequest(initial_prompt="wait")
FAIL = TranscribeRequest(initial_prompt="fail")


@asynccontextmanager
async def serving(folder: Path, clerk: Clerk, limits: Limits = LIMITS) -> AsyncIterator[EngineServer]:
    """An engine, for the length of the block."""
    server = await EngineServer.open(folder, clerk, limits)
    try:
        yield server
    finally:
        clerk.go.set()
        await server.close()


@dataclass
class Bare:
    """A connection that says whatever it is told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, message: Any, payload: bytes = b"") -> None:
        header = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.writer.write(struct.pack(">II", len(header), len(payload)) + header + payload)

    async def hear(self) -> dict[str, Any] | None:
        """The next message, without its payload; None at the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                header, payload = struct.unpack(">II", await self.reader.readexactly(8))
                message: dict[str, Any] = json.loads(await self.reader.readexactly(header))
                await self.reader.readexactly(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return message

    async def ended(self) -> bool:
        """Whether the other end says no more."""
        return await self.hear() is None


@asynccontextmanager
async def bare(path: Path, *, greet: bool = True) -> AsyncIterator[Bare]:
    """A connection to the engine at ``path``, welcomed already unless told otherwise."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    connection = Bare(reader, writer)
    try:
        if greet:
            connection.say({"type": "hello", "version": 1})
            assert (await connection.hear() or {})["type"] == "welcome"
        yield connection
    finally:
        writer.transport.abort()


def recognise(number: int, prompt: str | None = None, **more: Any) -> dict[str, Any]:
    """A request as JSON."""
    options = {} if prompt is None else {"initial_prompt": prompt}
    return {"type": "recognise", "id": number, "owner": "", "options": options, "encoding": "pcm_s16le", **more}
