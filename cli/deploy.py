"""`woa deploy`: bring a Prefect server in line with prefect.yaml."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from cli.terminal import emit, emit_json, tell
from speech.errors import SpeechError

if TYPE_CHECKING:
    from speech.settings import Settings

AGAIN_SECONDS = 0.5
_log = logging.getLogger(__name__)


class PrefectAway(SpeechError):
    """The Prefect server does not answer."""

    code = "prefect_away"
    retryable = True


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(deploy)


def deploy(as_json: bool = typer.Option(False, "--json", help="Print one JSON object.")) -> None:
    """Bring a Prefect server in line with prefect.yaml.

    Creates or updates work pool, queues and deployments, as often as you like. `woa serve` does it by itself. The
    server is WOA_PREFECT_API_URL, else the one that `woa serve` runs.

    Example: WOA_PREFECT_API_URL=http://prefect:4200/api woa deploy
    """
    from cli.configuration import read_settings

    settings = read_settings()
    changes = asyncio.run(_apply(settings))
    if as_json:
        emit_json({"prefect": settings.prefect, "work_pool": settings.work_pool, "changes": changes})
        return
    for change in changes:
        emit(change)
    tell(f"{settings.prefect} is up to date." if changes else f"{settings.prefect} was up to date.")


async def apply_when_possible(settings: Settings, stop: asyncio.Event) -> None:
    """Apply as soon as Prefect answers, or return when ``stop`` is set first."""
    waits = False
    while not stop.is_set():
        try:
            changes = await _apply(settings)
        except PrefectAway as error:
            if not waits:
                _log.info("waiting for Prefect: %s", error.message)
            waits = True
        else:
            for change in changes:
                _log.info("deployed: %s", change)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)


async def _apply(settings: Settings) -> list[str]:
    import httpx

    from deployments.apply import apply

    try:
        return (await apply(settings)).changes
    except httpx.HTTPError as error:
        raise PrefectAway(
            f"The Prefect server {settings.prefect} does not answer ({type(error).__name__}): "
            "start it, or mend WOA_PREFECT_API_URL."
        ) from error
