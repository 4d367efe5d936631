"""Ports: free ones, and a sentence about those that are taken."""

from __future__ import annotations

import ipaddress
import socket

from speech.errors import SpeechError


class PortTaken(SpeechError):
    """Somebody else listens there."""

    code = "port_taken"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with _bound(host, 0) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    try:
        _bound(host, port).close()
    except OSError:
        return False
    return True


def claim(host: str, port: int, variable: str, purpose: str) -> int:
    """The port, or a free one for 0.

    Raises:
        PortTaken: naming the port and the setting that moves it.

    """
    if port == 0:
        return free_port(host)
    try:
        _bound(host, port).close()
    except OSError as error:
        raise PortTaken(
            f"Port {port} on {host}, where {purpose} should listen, cannot be used ({error.strerror}): "
            f"stop what listens there, or set {variable} to another port."
        ) from None
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
