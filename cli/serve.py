"""`woa serve`: everything on one machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from cli.parent import follow_supervisor, restore_signals
from cli.terminal import emit, emit_line, tell
from speech.errors import SpeechError

if TYPE_CHECKING:
    from cli.readiness import Readiness
    from cli.supervisor import Part
    from speech.settings import Settings

SUPERVISED = typer.Option(False, "--supervised", hidden=True, help="End when standard input does.")
GRACE_SECONDS = 25.0
"""How long all parts together may take to stop when whoever started this is gone."""
RUN = (sys.executable, "-P", "-m", "cli.main")
STOP_SECONDS = {"api": 5.0, "control": 5.0, "prefect": 5.0}
DRAIN_SECONDS = 2.0
"""How long jobs may go on once all stops, unless the settings say; what does not end goes on at the next start."""
LET_GO_SECONDS = 7.0
"""What a worker needs beyond that to give its jobs back."""


class AlreadyServed(SpeechError):
    """Another supervisor has this data folder."""

    code = "already_served"


class StartFailed(SpeechError):
    """A part of the server does not start."""

    code = "start_failed"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    as_json: bool = typer.Option(
        False, "--json", help="Print one JSON object a line on standard output when a part, and when all, is ready."
    ),
    supervised: bool = SUPERVISED,
) -> None:
    """Start everything on this machine; Ctrl-C stops it.

    That is API, Prefect server, control and worker. One Ctrl-C stops them in order and loses nothing: jobs that run
    or wait when it stops go on at the next start. A second Ctrl-C kills what still runs. A part that crashes is
    started again. With WOA_PREFECT_API_URL set, that Prefect server is used and none started.

    Example: WOA_API_PORT=8080 WOA_DATA_DIR=/srv/speech woa serve
    """
    from cli.configuration import read_settings

    restore_signals()
    if supervised:
        follow_supervisor(GRACE_SECONDS)
    settings = read_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _check_address(settings)
    with ExitStack() as held:
        held.enter_context(_alone(settings))
        _run(_settled(held, settings), as_json=as_json)
    tell("Stopped.")


def _check_address(settings: Settings) -> None:
    """What the API would refuse is refused here, before anything is started."""
    if settings.api_host in ("127.0.0.1", "localhost", "::1"):
        return
    from api.server import check_address
    from cli.running import with_store

    with_store(settings, lambda store: check_address(settings, store))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(settings.data_dir / "serve.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyServed(
            f"Another `woa serve` uses the data folder {settings.data_dir}: stop it, or set WOA_DATA_DIR to another."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _settled(held: ExitStack, settings: Settings) -> Settings:
    from cli.ports import claim

    ports: dict[str, object] = {
        "api_port": claim(held, settings.api_host, settings.api_port, "WOA_API_PORT", "the API")
    }
    if settings.prefect_api_url is None:
        ports["prefect_port"] = claim(
            held, "127.0.0.1", settings.prefect_port, "WOA_PREFECT_PORT", "the Prefect server"
        )
    drain: dict[str, object] = {} if "drain_seconds" in settings.model_fields_set else {"drain_seconds": DRAIN_SECONDS}
    return settings.model_copy(update={**ports, **drain})


def _run(settings: Settings, *, as_json: bool) -> None:
    from cli.supervisor import PartFailed, Supervisor, prefixed
    from cli.supervisor import as_json as json_lines

    parts = _parts(settings)
    lines = json_lines() if settings.log_format == "json" else prefixed(max(len(part.name) for part in parts))

    def on_ready(name: str, seconds: float) -> None:
        if as_json:
            url = {"url": _addresses(settings)["api"]} if name == "api" else {}
            emit_line({"ready": name, "seconds": round(seconds, 1), **url})
        lines("woa", f"{name} is ready after {seconds:.1f} s.")

    def on_all_ready(seconds: float) -> None:
        if as_json:
            emit_line({"ready": "everything", "seconds": round(seconds, 1), **_addresses(settings)})
        else:
            emit(_block(settings, seconds))

    supervisor = Supervisor(parts, _environment(settings), lines, on_ready, on_all_ready)
    try:
        asyncio.run(supervisor.run())
    except PartFailed as error:
        raise StartFailed(str(error)) from None


def _parts(settings: Settings) -> list[Part]:
    """In the order of stopping, from last to first: the API takes no more jobs before the worker drains."""
    from cli.readiness import Readiness
    from cli.supervisor import Part

    asked = Readiness(settings)

    def woa(role: str) -> tuple[str, ...]:
        return (*RUN, role, "--supervised")

    parts = [
        Part("control", (*woa("control"), "--deploy"), None, STOP_SECONDS["control"]),
        Part("worker", woa("worker"), asked.worker_beats, settings.drain_seconds + LET_GO_SECONDS),
        Part("api", woa("api"), asked.api_lives, STOP_SECONDS["api"]),
    ]
    if settings.prefect_api_url is None:
        parts.insert(0, _prefect(settings, asked))
    return parts


def _prefect(settings: Settings, asked: Readiness) -> Part:
    from cli.supervisor import Part
    from orchestration.environment import home, server_environment

    folder = home(settings)
    folder.mkdir(parents=True, exist_ok=True)
    return Part(
        "prefect",
        (sys.executable, "-P", "-m", "orchestration.prefect_main", str(settings.prefect_port)),
        asked.prefect_answers,
        STOP_SECONDS["prefect"],
        environment=server_environment(settings, settings.prefect_port, settings.prefect_ui),
        # Prefect reads .env, prefect.toml and pyproject.toml of the working folder; there are none in its home.
        folder=folder,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """What the parts are told: our own environment, with the ports and the folder that were settled here."""
    return {
        **os.environ,
        "WOA_API_PORT": str(settings.api_port),
        "WOA_PREFECT_PORT": str(settings.prefect_port),
        "WOA_DRAIN_SECONDS": str(settings.drain_seconds),
        "WOA_DATA_DIR": str(settings.data_dir),
        "PYTHONUNBUFFERED": "1",
    }


def _addresses(settings: Settings) -> dict[str, str]:
    from cli.ports import reachable

    api = f"http://{reachable(settings.api_host)}:{settings.api_port}"
    return {
        "api": api,
        "docs": f"{api}/docs",
        "prefect": settings.prefect,
        "prefect_ui": settings.prefect_ui,
        "data": str(settings.data_dir),
    }


def _block(settings: Settings, seconds: float) -> str:
    where = _addresses(settings)
    return (
        f"\nWorld of ASR is ready after {seconds:.1f} s.\n"
        f"  API          {where['api']}\n"
        f"  API docs     {where['docs']}\n"
        f"  Prefect UI   {where['prefect_ui']}\n"
        f"  Data folder  {where['data']}\n"
        "Stop it with Ctrl-C.\n"
    )
