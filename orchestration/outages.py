"""An outage of something that others run: said once, not with every try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import structlog

from speech.errors import SpeechError

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
"""How long something that is away is at least left in peace."""


@dataclass
class Outage:
    """Whether ``what`` is away, and whether that was said."""

    what: str
    away: bool = False

    def met(self, reason: Exception) -> None:
        """It did not answer, or answered with an error."""
        if not self.away:
            log.warning("it does not answer; trying on", what=self.what, reason=_in_short(reason))
        self.away = True

    def over(self) -> None:
        """It answers."""
        if self.away:
            log.info("it answers again", what=self.what)
        self.away = False


async def again(work: Callable[[], Awaitable[object]], what: str, pause: float) -> None:
    """Do it again and again, ``pause`` seconds apart, until cancelled; an outage of ``what`` is said once, and waited
    for."""
    outage = Outage(what)
    while True:
        try:
            await work()
            outage.over()
        except Exception as reason:  # noqa: BLE001 - whoever serves outlives every outage
            outage.met(reason)
            await asyncio.sleep(max(pause, RETRY_SECONDS))
        else:
            await asyncio.sleep(pause)


def _in_short(reason: Exception) -> str:
    """What is safe to say of any error: a foreign one's own words may hold anything."""
    if isinstance(reason, SpeechError):
        return reason.message
    if isinstance(reason, httpx.HTTPStatusError):
        return f"HTTP status {reason.response.status_code}"
    return type(reason).__name__
