"""Requests of live servers under way in this process: each in a thread of its own, and no more than so many."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from audio.samples import Samples
from engine.errors import EngineBusy
from speech.codec import recognition_to_json
from speech.errors import SpeechError, UnexpectedError
from speech.transcript import Recognition

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``options`` are fields of a `TranscribeRequest`; ``deadline`` is in the seconds of
    `time.monotonic`, and with ``expires`` nobody wants what has not been begun by then."""

    owner: str
    options: dict[str, Any]
    samples: Samples
    deadline: float
    expires: bool
    cancelled: Callable[[], bool]

    def late(self, now: float) -> bool:
        """Whether nobody wants it any more when it has not been begun by now."""
        return self.expires and now >= self.deadline


Handler = Callable[[Asked], Recognition]
"""What answers a request, in a thread of its own. It asks ``cancelled`` while it waits and between its calls."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Connections at once, requests under way on all of them together, seconds of audio in one request."""

    connections: int
    requests: int
    audio_seconds: float


class Places:
    """The requests under way. A place is free when its thread has ended, whoever still waits for the answer."""

    def __init__(self, handler: Handler, count: int) -> None:
        self.busy = 0
        self._handler = handler
        self._count = count

    def start(self, asked: Asked) -> asyncio.Future[bytes]:
        """Begin with a request; called on the server's event loop. The future has the words as JSON, or a SpeechError.

        Raises:
            EngineBusy: when there is no place.

        """
        if self.busy >= self._count:
            raise EngineBusy(f"The engine has {self._count} requests under way, which is all that it takes at once.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()

        def end(outcome: bytes | SpeechError) -> None:
            self.busy -= 1
            if isinstance(outcome, SpeechError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        def work() -> None:
            outcome = _outcome(self._handler, asked)
            with suppress(RuntimeError):  # the loop was closed: this process is leaving, and nobody waits
                loop.call_soon_threadsafe(end, outcome)

        self.busy += 1
        try:
            # A daemon: a process that leaves does not wait for a model call.
            threading.Thread(target=work, name="live-request", daemon=True).start()
        except RuntimeError:
            self.busy -= 1
            raise EngineBusy("The engine's process can start no more threads.") from None
        return answer


def _outcome(handler: Handler, asked: Asked) -> bytes | SpeechError:
    try:
        return json.dumps(recognition_to_json(handler(asked)), allow_nan=False).encode()
    except SpeechError as failure:
        return failure
    except BaseException as failure:
        # Nothing above this frame in the thread could take it. Its words may quote anything, and stay here.
        log.exception("a live request met an error that nobody foresaw")
        what = f"The engine met an error that nobody foresaw ({type(failure).__name__}); its log says more."
        return UnexpectedError(what)
