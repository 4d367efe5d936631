"""Work that goes on beside other work, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def end(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel a task and wait until it has ended; the error that it ended with, if any.

    Awaiting the task itself would confuse its cancellation with the caller's own, and swallow the latter.
    """
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.exception()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Something that goes on while the block does, and is cancelled at its end."""
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        await end(task)
