"""Connections to a server that may vanish without a word, with its host or with the network: the kernel finds out."""

from __future__ import annotations

import socket
from typing import Any

IDLE_SECONDS = 15
"""After so long without a word the other end is asked whether it is there."""
ASK_SECONDS = 5
ASKED = 3
LOST_SECONDS = IDLE_SECONDS + ASK_SECONDS * ASKED
"""After so long without an answer the connection is broken, and whoever waits on it is told."""


def keep_alive(connection: Any) -> None:
    """See to it that an asyncpg connection breaks when its server is gone.

    asyncpg sets no option for that, and offers no way to its socket but through the transport that it keeps.
    """
    line = connection._transport.get_extra_info("socket")
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return  # a server on this host, behind a Unix socket, cannot vanish so
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASKED)
    # Without this, what was sent and not acknowledged is sent again for a quarter of an hour.
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_SECONDS * 1000)
