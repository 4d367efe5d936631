"""`woa probe`: whether one part does its work, told by the exit code to what starts and stops containers."""

from __future__ import annotations

import asyncio
import socket
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from cli.terminal import emit, tell
from speech.errors import SpeechError

if TYPE_CHECKING:
    from speech.settings import Settings

DATABASE_SECONDS = 5.0
BEAT_AGE = 30.0
"""Seconds after its last beat until a worker counts as stuck."""


class Role(StrEnum):
    """The parts that can be asked."""

    API = "api"
    WORKER = "worker"
    PREFECT = "prefect"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(probe)


def probe(role: Role = typer.Argument(metavar="ROLE", help="api, worker or prefect.")) -> None:
    """Check one part: exit code 1 when it should be restarted.

    api and prefect are asked over HTTP. The worker is this host's; it is in order while it leaves its sign of life in
    the database, and no restart would help it when the database is away.

    Example: woa probe api
    """
    from cli.configuration import read_settings

    settings = read_settings()
    looks = {Role.API: _api, Role.WORKER: _worker, Role.PREFECT: _prefect}
    if not asyncio.run(looks[role](settings)):
        tell(f"{role}: it does not do its work.")
        raise typer.Exit(1)
    emit(f"{role}: ok")


async def _api(settings: Settings) -> bool:
    from cli.readiness import Readiness

    return await Readiness(settings).api_lives()


async def _prefect(settings: Settings) -> bool:
    from cli.readiness import Readiness

    return await Readiness(settings).prefect_answers()


async def _worker(settings: Settings) -> bool:
    from storage.store import Store

    store = Store.open(settings)
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            await store.database.check()
            online = await store.workers.online(BEAT_AGE)
    except (SpeechError, OSError):  # a time-out is an OSError
        tell("worker: the database does not answer, so nobody can tell.")
        return True
    finally:
        await store.close()
    return any(beat.host == socket.gethostname() for beat in online)
