"""Is the hub there? One short look, remembered for a while: offline is known at once and not after time-outs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 2.0
"""How long a look may take, name resolution included."""
REMEMBERED = 60.0
"""Seconds for which an answer is believed."""


def _connects(host: str, port: int, seconds: float) -> bool:
    try:
        socket.create_connection((host, port), seconds).close()
    except OSError:
        return False
    return True


def _within(seconds: float, look: Callable[[], bool]) -> bool:
    # Resolving a name knows no time-out, so the look runs in a thread that nobody waits for longer than this.
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(look()), name="hub-look", daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers and answers[0])


class Reachability:
    """Whether ``endpoint`` (an http or https URL) takes connections, directly or through the system's proxy."""

    def __init__(self, endpoint: str, *, seconds: float = SECONDS, remembered: float = REMEMBERED) -> None:
        self._endpoint = endpoint
        self._seconds = seconds
        self._remembered = remembered
        self._lock = threading.Lock()
        self._answer = False
        self._until = 0.0

    def __call__(self) -> bool:
        """True when a connection came about, now or a short while ago."""
        with self._lock:
            now = time.monotonic()
            if now >= self._until:
                host, port = self._door()
                self._answer = _within(self._seconds, lambda: _connects(host, port, self._seconds))
                self._until = time.monotonic() + self._remembered
            return self._answer

    def _door(self) -> tuple[str, int]:
        url = urlsplit(self._endpoint)
        host = url.hostname or ""
        proxy = getproxies().get(url.scheme)
        if proxy and not proxy_bypass(host):
            url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            host = url.hostname or ""
        return host, url.port or (443 if url.scheme == "https" else 80)
