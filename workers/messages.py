"""What a worker and its device processes say to each other: dataclasses, pickled, in frames over a socket pair.

Both ends are this program, in the same version, and nobody else can reach the pair.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
import threading
from dataclasses import dataclass
from uuid import UUID

from prefect.client.schemas.objects import StateType

from speech.settings import Settings

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message to a device process: whose settings it works with."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Run:
    """Run a flow run that was claimed. ``run`` is it as JSON (Prefect's models do not pickle); its flow is named by a
    module path."""

    run: str
    entrypoint: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Let go of all runs at their next piece: they go back to the queue."""


@dataclass(frozen=True, slots=True)
class Return:
    """Let go of this run as soon as may be: it goes back to the queue, since others need its place."""

    run_id: UUID


@dataclass(frozen=True, slots=True)
class Ready:
    """The device process can take runs. ``device`` is for people; at ``socket`` it listens for live servers."""

    device: str
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A device process died with ``together`` runs aboard; ``cause`` is a few words, ``forced`` when we killed it
    through no fault of this run, ``overdue`` since the time of this run's job was over."""

    together: int
    cause: str
    forced: bool = False
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run was left: the kind of its last state, or None when it was let go of.

    ``broken`` when Prefect's engine gave up; ``refusal`` says why the run cannot be run here at all; ``lost`` when
    the process died that had it; ``wait_seconds`` when it is to be run again so much later, as
    one that has ``begun`` or from the queue; ``returned`` when its worker asked for it back; ``trouble`` is the code of
    what is wrong with the worker, when the run met that.
    """

    kind: StateType | None
    broken: bool = False
    refusal: str | None = None
    lost: Lost | None = None
    wait_seconds: float | None = None
    begun: bool = True
    returned: bool = False
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A run is out of the device process's hands."""

    run_id: UUID
    ended: Ended


@dataclass(frozen=True, slots=True)
class Pulse:
    """A sign of life, once a second. Bytes of resident memory; model calls running and waiting, and ``slots``, how many
    may run at once; counters since the
    start: ``loads`` of models, and ``hits``, borrowings that found their model in memory. ``longest_call_seconds``
    is the age of the oldest call that has not come back, ``live`` the number of live requests under way, ``quiet`` the
    runs that hang."""

    models: tuple[str, ...] = ()
    memory_bytes: int = 0
    calls: int = 0
    waiting: int = 0
    loads: int = 0
    hits: int = 0
    longest_call_seconds: float = 0.0
    slots: int = 1
    live: int = 0
    quiet: tuple[str, ...] = ()


Message = Begin | Run | Leave | Return | Ready | Done | Pulse


def framed(message: Message) -> bytes:
    """A message as it goes over the wire: its length in four bytes, then itself."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None when the other end is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return _unpickled(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, OSError):
        return None


class Wire:
    """The device process's end. One thread reads; any thread writes."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._reader = end.makefile("rb")
        self._writing = threading.Lock()

    def read(self) -> Message | None:
        """The next message; None when the other end is gone."""
        try:
            head = self._reader.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack(head)
            body = self._reader.read(length)
        except OSError:
            return None
        return _unpickled(body) if len(body) == length else None

    def send(self, message: Message) -> None:
        """Say something; when the other end is gone nobody hears it, and reading shows that."""
        data = framed(message)
        try:
            with self._writing:
                self._end.sendall(data)
        except OSError:
            return


def _unpickled(body: bytes) -> Message:
    message: Message = pickle.loads(body)  # noqa: S301  (from our own other end)
    return message
