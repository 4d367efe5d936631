"""An outage of something that others run: said once, not with every try."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import structlog

from speech.errors import SpeechError

log = structlog.get_logger(__name__)


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


def _in_short(reason: Exception) -> str:
    """What is safe to say of any error: a foreign one's own words may hold anything."""
    if isinstance(reason, SpeechError):
        return reason.message
    if isinstance(reason, httpx.HTTPStatusError):
        return f"HTTP status {reason.response.status_code}"
    return type(reason).__name__
