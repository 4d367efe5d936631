"""Whether the parts of a server do their work, asked from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx

from cli.ports import reachable

if TYPE_CHECKING:
    from speech.settings import Settings

SECONDS = 2.0
Question = Callable[[], Awaitable[bool]]


def api_lives(settings: Settings) -> Question:
    """Whether the API answers."""

    async def ask() -> bool:
        return await _get(f"{_api(settings)}/health/live") is not None

    return ask


def worker_beats(settings: Settings) -> Question:
    """Whether the API sees a worker that is there for jobs."""

    async def ask() -> bool:
        health = await _get(f"{_api(settings)}/health")
        workers = ((health or {}).get("checks") or {}).get("workers") or {}
        return bool(workers.get("online"))

    return ask


def prefect_answers(settings: Settings) -> Question:
    """Whether the Prefect server answers."""

    async def ask() -> bool:
        return await _get(f"{settings.prefect}/health") is not None

    return ask


async def _get(url: str) -> Any:
    """What is answered there, a refusal by an unhealthy server included; None when nobody answers with JSON."""
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            answer = await client.get(url)
            return answer.json()
    except (httpx.HTTPError, ValueError):
        return None


def _api(settings: Settings) -> str:
    return f"http://{reachable(settings.api_host)}:{settings.api_port}/api/v1"
