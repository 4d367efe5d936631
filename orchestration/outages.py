"""An outage of something that others run: said once, not with every try."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass
class Outage:
    """Whether ``what`` is away, and whether that was said."""

    what: str
    away: bool = False

    def met(self, reason: Exception) -> None:
        """It did not answer, or answered with an error."""
        if not self.away:
            log.warning("it does not answer; trying on", what=self.what, reason=f"{type(reason).__name__}")
        self.away = True

    def over(self) -> None:
        """It answers."""
        if self.away:
            log.info("it answers again", what=self.what)
        self.away = False
