"""Connections to addresses that were checked, and to no others, within a budget.

The seam is httpcore's network backend: TLS still verifies the host's name and the request still carries it, only the
name service is not asked again. Every wait is short, so that cancelling and the end of the time are noticed.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from remote.sink import Budget

POLL_SECONDS = 0.5
CONNECT_SECONDS = 10.0
"""Longest wait for one address."""


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to ``addresses`` in turn, whatever host is asked for."""

    def __init__(self, addresses: tuple[str, ...], budget: Budget) -> None:
        self._addresses = addresses
        self._budget = budget
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the first address that answers; httpcore.ConnectError or ConnectTimeout when none does."""
        failed: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            self._budget.check()
            seconds = min(CONNECT_SECONDS, self._budget.left)
            try:
                return _Patient(self._real.connect_tcp(address, port, seconds), self._budget)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class _Patient(httpcore.NetworkStream):
    """A stream whose reads end with the budget and look up every half second."""

    def __init__(self, stream: httpcore.NetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        until = time.monotonic() + (timeout if timeout is not None else self._budget.left)
        while True:
            self._budget.check()
            seconds = min(POLL_SECONDS, self._budget.left, until - time.monotonic())
            if seconds <= 0:
                raise httpcore.ReadTimeout("nothing came")
            try:
                return self._stream.read(max_bytes, seconds)
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._budget.check()
        self._stream.write(buffer, self._within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._budget.check()
        secure = self._stream.start_tls(ssl_context, server_hostname, self._within(timeout))
        return _Patient(secure, self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _within(self, timeout: float | None) -> float:
        left = max(self._budget.left, 0.001)
        return left if timeout is None else min(timeout, left)
