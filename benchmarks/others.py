"""How much of the machine others used while a benchmark ran: what its figures are worth."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field

import psutil


def _busy() -> float:
    """Seconds of CPU that all cores together have worked since the machine started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _own() -> float:
    """Seconds of CPU of this process, and of all that it started and that have ended."""
    mine, ended = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime


@dataclass(frozen=True, slots=True)
class Others:
    """Counts from when it was made; what was started since must have ended when it is asked."""

    _busy: float = field(default_factory=_busy)
    _own: float = field(default_factory=_own)
    _began: float = field(default_factory=time.monotonic)

    def share(self) -> float:
        """What others used, as a share of all cores, from 0 to 1."""
        seconds = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, (_busy() - self._busy) - (_own() - self._own)) / seconds

    def used(self) -> str:
        """The same as a sentence."""
        return f"Others used {100 * self.share():.0f} % of the machine meanwhile."
