"""How a disposable process binds itself before it touches foreign bytes. Runs in the child only."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import threading
from typing import Any

from audio.limits import Limits

_GRACE_SECONDS = 10
"""How much later than its parent the child ends itself, should the parent be stopped or hang."""


def confine(limits: Limits, *, writable_bytes: int) -> None:
    """Bind this process: memory, processor time, file size, no core dump, no new file or socket, ever.

    Everything that will be needed must be imported and open by now. What the kernel then refuses, FFmpeg cannot do,
    whatever a file talks it into: no other file, no address.
    """
    cpu = math.ceil(limits.cpu_seconds)
    for name, bound in (
        (resource.RLIMIT_CORE, (0, 0)),
        (resource.RLIMIT_CPU, (cpu, cpu + 1)),
        (resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes)),
        (resource.RLIMIT_FSIZE, (writable_bytes, writable_bytes)),
        (resource.RLIMIT_NOFILE, (0, 0)),
    ):
        resource.setrlimit(name, bound)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def die_with_parent(wall_seconds: float) -> None:
    """End this process when its parent goes, or long after the parent should have ended it.

    The parent holds the other end of standard input and never writes to it: when that end closes, the parent is
    gone. Linux's parent-death signal would go by the parent's thread, which may end before the process does.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds + _GRACE_SECONDS)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def say(**message: Any) -> None:
    """One line of JSON to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
