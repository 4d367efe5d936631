"""A quick look at a file: does sound come out, and what is it?"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audio import child
from audio.limits import Limits
from audio.source import opened_source
from speech.errors import JobCancelled


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file holds.

    ``duration`` in seconds as its header says, None when that says nothing; ``sample_rate`` in Hz; ``codec`` and
    ``container`` as FFmpeg calls them (``opus``, ``matroska,webm``).
    """

    duration: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str


def probe(path: Path, limits: Limits) -> Probe:
    """Decode the head of a file in a disposable process and say what it is.

    Raises:
        InvalidAudio: no sound comes out of it within the limits.
        OSError: it cannot be opened.

    """
    return _probe(path, limits, None)


async def probe_async(path: Path, limits: Limits) -> Probe:
    """The same without blocking the event loop; when this is cancelled, the process is ended before it returns."""
    given_up = threading.Event()
    look = asyncio.ensure_future(asyncio.to_thread(_probe, path, limits, given_up.is_set))
    try:
        return await asyncio.shield(look)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait({look})
        look.exception()  # nobody else will ask for it
        raise


def _probe(path: Path, limits: Limits, cancelled: Callable[[], bool] | None) -> Probe:
    if cancelled and cancelled():
        raise JobCancelled("Nobody waits for this any more.")
    with opened_source(path) as media:
        return Probe(**child.run("probe", (media,), limits, cancelled=cancelled))
