"""Ports: free ones, and a sentence about those that are taken.

A server listens seconds after its port was found free. So that two supervisors that start together do not take the
same port, each holds a lock of the port's name from before it looks until it ends.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

from speech.errors import SpeechError


class PortTaken(SpeechError):
    """Somebody else listens there, or is about to."""

    code = "port_taken"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    with ExitStack() as held:
        return _taken_because(held, host, port) is None


def claim(held: ExitStack, host: str, port: int, variable: str, purpose: str) -> int:
    """The port, or a free one for 0, ours until ``held`` is closed.

    Raises:
        PortTaken: naming the port and the setting that moves it.

    """
    if port == 0:
        return claim_free(held, host)
    reason = _taken_because(held, host, port)
    if reason is not None:
        raise PortTaken(
            f"Port {port} on {host}, where {purpose} should listen, cannot be used ({reason}): "
            f"stop what listens there, or set {variable} to another port."
        )
    return port


def claim_free(held: ExitStack, host: str = "127.0.0.1") -> int:
    """A port that nobody listens on, ours until ``held`` is closed."""
    while True:
        with _bound(host, 0) as probe:
            port: int = probe.getsockname()[1]
        if _taken_because(held, host, port) is None:
            return port


def reachable(host: str) -> str:
    """The name by which this machine reaches a server that listens on ``host``, ready for a URL."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]" if address.version == 6 else str(address)


def _taken_because(held: ExitStack, host: str, port: int) -> str | None:
    from filelock import FileLock, Timeout

    lock = FileLock(Path(tempfile.gettempdir()) / f"world-of-asr-{os.getuid()}-port-{port}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return "another `woa serve` has it"
    try:
        _bound(host, port).close()
    except OSError as error:
        lock.release()
        return str(error.strerror or error)
    held.callback(lock.release)
    return None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    probe = socket.socket(family, kind)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(where)
    except OSError:
        probe.close()
        raise
    return probe
