"""How a client of the Prefect API is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import PrefectClient, get_client

from orchestration.environment import prefect_settings
from speech.settings import Settings


@asynccontextmanager
async def open_client(settings: Settings, *, retries: int = 0) -> AsyncIterator[PrefectClient]:
    """One open client of the Prefect API that the settings name, with our settings in force while it is open.

    ``retries`` is how often Prefect's own client tries again, sleeping 2, 4, 8 ... seconds in between; callers that
    come back by themselves want none. Opening makes no request.
    """
    with prefect_settings(settings, {"client.max_retries": retries}):
        async with get_client() as client:
            yield client
