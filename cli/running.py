"""Coroutines of the storage for commands that are done in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from speech.settings import Settings
    from storage.store import Store

T = TypeVar("T")


def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, bring its tables up to date, do the work, close it."""
    from storage.store import Store

    async def run() -> T:
        store = Store.open(settings)
        try:
            await store.migrate()
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())
