"""Waiting for something that others bring about, with a limit that only a broken program reaches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], within: float = 60.0, every: float = 0.03) -> T:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + within
    while True:
        answer = await look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not happen within {within:.0f} seconds; the last answer was {answer!r}.")
        await asyncio.sleep(every)
