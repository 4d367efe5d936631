"""`woa speakers`: people who are known by their voices, at a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.terminal import emit, emit_json, table, tell

if TYPE_CHECKING:
    from cli.client import Server

SERVER = typer.Option(None, envvar="WOA_SERVER", help="URL of the server. [default: the one on this machine]")
API_KEY = typer.Option(
    None,
    envvar="WOA_API_KEY",
    help="Key for that server; better set by the variable, which others on this machine cannot see.",
)
AS_JSON = typer.Option(False, "--json", help="Print JSON.")
SPEAKER = typer.Argument(metavar="ID", help="The speaker's id, as `woa speakers list` shows it.")

speakers = typer.Typer(
    help="Enrol voices that jobs call by name.\n\n"
    "It is biometric data: see to it that they agree. `remove` leaves nothing of the voice; recordings that were "
    "uploaded go by themselves when nobody uses them (WOA_UNUSED_FILES_KEPT_SECONDS), or by DELETE /files/{file_id}.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(speakers, name="speakers")


@speakers.command()
def enrol(
    name: str = typer.Argument(help="As people read it in transcripts."),
    recordings: list[Path] = typer.Argument(
        help="Takes of 2 to 60 s, of this voice alone; several know better than one.", exists=True, dir_okay=False
    ),
    server: str | None = SERVER,
    api_key: str | None = API_KEY,
    as_json: bool = AS_JSON,
) -> None:
    """Enrol somebody, and print the speaker's id; a worker listens within seconds.

    Example: woa speakers enrol "Ada Lovelace" ada-1.wav ada-2.wav
    """
    from uuid import uuid4

    with _at(server, api_key) as there:
        files = [there.upload(path, lambda read: None)["file_id"] for path in recordings]
        headers = {"Idempotency-Key": uuid4().hex}
        made = there.ask("POST", "/speakers", json={"name": name, "file_ids": files}, headers=headers)
    if as_json:
        emit_json(made)
    else:
        emit(made["speaker_id"])


@speakers.command("list")
def list_speakers(server: str | None = SERVER, api_key: str | None = API_KEY, as_json: bool = AS_JSON) -> None:
    """List the speakers."""
    with _at(server, api_key) as there:
        found = _all(there)
    if as_json:
        emit_json(found)
        return
    if not found:
        tell("Nobody is enrolled. Enrol somebody with `woa speakers enrol NAME RECORDING`.")
        return
    rows = [[one["speaker_id"], one["name"], one["status"], str(len(one["takes"])), _why(one)] for one in found]
    emit(table(["ID", "NAME", "STATUS", "TAKES", "WHY"], rows))


@speakers.command()
def rename(
    speaker_id: str = SPEAKER,
    name: str = typer.Argument(help="The new name."),
    server: str | None = SERVER,
    api_key: str | None = API_KEY,
) -> None:
    """Call a speaker otherwise; transcripts that were written keep the old name."""
    with _at(server, api_key) as there:
        there.ask("PATCH", f"/speakers/{speaker_id}", json={"name": name})
    tell(f"Speaker {speaker_id} has a new name.")


@speakers.command()
def remove(speaker_id: str = SPEAKER, server: str | None = SERVER, api_key: str | None = API_KEY) -> None:
    """Delete a speaker, with all that is known of the voice."""
    with _at(server, api_key) as there:
        there.ask("DELETE", f"/speakers/{speaker_id}")
    tell(f"Speaker {speaker_id} is gone.")


@contextmanager
def _at(server: str | None, api_key: str | None) -> Iterator[Server]:
    from cli.client import Server
    from cli.configuration import read_settings

    settings = read_settings()
    with Server(server or f"http://{settings.api_host}:{settings.api_port}", api_key) as there:
        yield there


def _all(there: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = there.ask("GET", "/speakers", params={"limit": 200, **cursor})
        found += page["speakers"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def _why(speaker: dict[str, Any]) -> str:
    return next((take["error"] for take in speaker["takes"] if take["error"]), "")
