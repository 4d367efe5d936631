"""How a part of `woa serve` lives: signals as Python means them, and no life after its supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

GRACE_SECONDS = 8.0
"""How long a part may take to stop by itself once its supervisor is gone."""


def restore_signals() -> None:
    """Let SIGINT and SIGTERM end this process again.

    A shell that starts a process in its background makes it ignore SIGINT, its children inherit that, and
    Prefect's worker, finding SIGINT ignored, ignores SIGTERM as well.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def follow_supervisor(grace_seconds: float = GRACE_SECONDS) -> None:
    """End this process group when standard input closes.

    The supervisor holds the other end and never writes: it closes when the supervisor dies, even by SIGKILL. The
    group is asked to stop first, and killed after ``grace_seconds``.
    """
    threading.Thread(target=_watch, args=(sys.stdin.fileno(), grace_seconds), daemon=True).start()


def _watch(descriptor: int, grace_seconds: float) -> None:
    with suppress(OSError):
        while os.read(descriptor, 64):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os.killpg(os.getpgid(0), signal.SIGKILL)
