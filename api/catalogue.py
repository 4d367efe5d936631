"""What can be asked for, as the registry knows it; looked up in a thread, since it looks at the disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from anyio import to_thread

from providers.registry import Registry

KEPT_SECONDS = 2.0


class Catalogue:
    """Providers and models, kept for ``KEPT_SECONDS``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: dict[str, tuple[float, Any]] = {}

    async def providers(self) -> list[dict[str, Any]]:
        """Every provider, as the registry describes it."""
        rows: list[dict[str, Any]] = await self._fresh("providers", self._registry.describe)
        return rows

    async def steps(self) -> dict[str, list[dict[str, Any]]]:
        """The providers of every other step, by the part of a request that asks for it."""
        rows: dict[str, list[dict[str, Any]]] = await self._fresh("steps", self._registry.describe_steps)
        return rows

    async def models(self) -> list[dict[str, Any]]:
        """Every model of every provider, with the ``provider`` that it is for."""
        rows: list[dict[str, Any]] = await self._fresh("models", self._models)
        return rows

    def _models(self) -> list[dict[str, Any]]:
        return [
            {"provider": provider["name"], **model}
            for provider in self._registry.describe()
            for model in provider.get("models", ())
        ]

    async def _fresh(self, what: str, look: Callable[[], Any]) -> Any:
        until, rows = self._kept.get(what, (0.0, None))
        if time.monotonic() >= until:
            rows = await to_thread.run_sync(look)
            self._kept[what] = (time.monotonic() + KEPT_SECONDS, rows)
        return rows
