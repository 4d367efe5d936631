"""Whether the parts of a server do their work, asked from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from cli.ports import reachable

if TYPE_CHECKING:
    from speech.settings import Settings

SECONDS = 2.0


@dataclass(frozen=True)
class Readiness:
    """Questions about the server of these settings, over one client: making one costs more than asking."""

    settings: Settings
    _client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=SECONDS, trust_env=False))

    async def api_lives(self) -> bool:
        """Whether the API answers."""
        return await self._get(f"{self._api}/health/live") is not None

    async def worker_beats(self) -> bool:
        """Whether the API sees a worker that is there for jobs."""
        health = await self._get(f"{self._api}/health")
        workers = ((health or {}).get("checks") or {}).get("workers") or {}
        return bool(workers.get("online"))

    async def prefect_answers(self) -> bool:
        """Whether the Prefect server answers."""
        return await self._get(f"{self.settings.prefect}/health") is not None

    @property
    def _api(self) -> str:
        return f"http://{reachable(self.settings.api_host)}:{self.settings.api_port}/api/v1"

    async def _get(self, url: str) -> Any:
        """What is answered there, by an unhealthy server too; None when nobody answers with JSON."""
        try:
            return (await self._client.get(url)).json()
        except (httpx.HTTPError, ValueError):
            return None
