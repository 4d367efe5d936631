"""`woa api|worker|control`: the parts of a server one by one, on as many hosts as one likes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cli.deploy import apply_when_possible
from cli.terminal import colours
from speech.errors import SpeechError

if TYPE_CHECKING:
    from speech.settings import Settings

SUPERVISED = typer.Option(False, "--supervised", hidden=True, help="End when standard input does.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for role in (api, worker, control):
        app.command()(role)


def api(supervised: bool = SUPERVISED) -> None:
    """Run the API alone.

    It takes uploads and jobs, and shows them. Address and port are WOA_API_HOST and WOA_API_PORT. Addresses other
    than loopback need an API key.

    Example: WOA_PREFECT_API_URL=http://prefect:4200/api woa api
    """
    settings = _begin("api", supervised=supervised)
    from api.server import serve

    with _surprises_logged():
        serve(settings)


def worker(supervised: bool = SUPERVISED) -> None:
    """Run one worker alone.

    It keeps models loaded and runs the jobs of its work pool. Pool and slots are WOA_WORK_POOL and
    WOA_WORKER_SLOTS; the pool is made by `woa deploy`.

    Example: WOA_WORK_POOL=speech-gpu WOA_PREFECT_API_URL=http://prefect:4200/api woa worker
    """
    settings = _begin("worker", supervised=supervised)
    from workers.warm import run_worker

    _serve(settings, run_worker)


def control(
    deploy: bool = typer.Option(False, "--deploy", help="Apply prefect.yaml first, as `woa deploy` does."),
    supervised: bool = SUPERVISED,
) -> None:
    """Run control alone.

    It submits accepted jobs to Prefect and follows what becomes of them. Several may run; one at a time does the work.

    Example: WOA_PREFECT_API_URL=http://prefect:4200/api woa control
    """
    settings = _begin("control", supervised=supervised)
    from cli.supervisor import READY
    from control.service import run_control
    from orchestration.precedence import BOOKKEEPING_NICENESS, step_back

    if supervised:
        step_back(BOOKKEEPING_NICENESS)

    async def run(settings: Settings, stop: asyncio.Event) -> None:
        if deploy:
            await apply_when_possible(settings, stop)
        if supervised:
            print(READY, flush=True)
        await run_control(settings, stop)

    _serve(settings, run)


def _begin(role: str, *, supervised: bool) -> Settings:
    from cli.configuration import read_settings
    from cli.parent import follow_supervisor, restore_signals
    from speech.logs import configure

    restore_signals()
    if supervised:
        follow_supervisor()
    settings = read_settings()
    configure(settings, role=role, colours=colours(sys.stderr))
    return settings


def _serve(settings: Settings, work: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGINT or SIGTERM asks to stop; a second one ends the process at once."""
    from speech.logs import route_foreign_loggers

    route_foreign_loggers()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def asked() -> None:
            if stop.is_set():
                os._exit(1)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)
        await work(settings, stop)

    with _surprises_logged():
        asyncio.run(run())


@contextmanager
def _surprises_logged() -> Iterator[None]:
    """A process that nobody watches tells its log what ended it, where a person would call it again with --debug."""
    try:
        yield
    except SpeechError:
        raise
    except Exception:
        logging.getLogger(__name__).exception("stopped by an error that was not expected")
        raise
