"""`woa ingest`: recordings taken from buckets and folders, on a schedule."""

from __future__ import annotations

from typing import Any, Literal

import typer
from typer.core import TyperGroup

from cli.terminal import emit, emit_json, table, tell

SERVER = typer.Option(None, envvar="WOA_SERVER", help="URL of a server. [default: this installation's own database]")
API_KEY = typer.Option(
    None,
    envvar="WOA_API_KEY",
    help="Key for that server; better set by the variable, which others on this machine cannot see.",
)
AS_JSON = typer.Option(False, "--json", help="Print JSON.")
INGEST = typer.Argument(metavar="ID", help="The ingest's id, as `woa ingest list` shows it.")


class UrlFirst(TyperGroup):
    """``woa ingest s3://...`` is short for ``woa ingest create s3://...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the word that was left out."""
        return super().parse_args(ctx, ["create", *args] if args and "://" in args[0] else args)


ingest = typer.Typer(
    cls=UrlFirst,
    help="Take recordings from buckets and folders, on a schedule.\n\n"
    "`woa ingest s3://calls/in --schedule '0 * * * *'` makes one. What may be read is the operator's to say: "
    "WOA_INGEST_STORES.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(ingest, name="ingest")


@ingest.command()
def create(
    url: str = typer.Argument(help="s3://bucket/prefix, gs://, az:// or file:///folder."),
    pattern: str = typer.Option("*", help="Names that are meant, such as '*.wav' or '2026/**/*.wav'."),
    schedule: str | None = typer.Option(None, help="When to run, as cron says it. [default: when you ask]"),
    timezone: str = typer.Option("UTC", help="Time zone of the schedule."),
    manifest: str | None = typer.Option(None, help="URL of a JSON Lines or CSV object that lists the keys."),
    results: str | None = typer.Option(
        None, help="next_to_source, or the URL of a prefix that results are written to. [default: nowhere]"
    ),
    formats: list[str] = typer.Option(
        [], "--format", "-f", metavar="FORMAT", help="Of those results; may be repeated. [default: json]"
    ),
    when_done: Literal["keep", "move", "tag"] = typer.Option("keep", help="What happens to a recording at last."),
    move_to: str | None = typer.Option(None, help="URL of the prefix that recordings are moved to."),
    tries: int = typer.Option(3, help="How often an object is tried before its quarantine."),
    model: str | None = typer.Option(None, help="Model. [default: by the machine]"),
    language: str = typer.Option("auto", help="Language of the speech: en, de ... or auto."),
    provider: str = typer.Option("faster_whisper", help="Who recognises."),
    server: str | None = SERVER,
    api_key: str | None = API_KEY,
    as_json: bool = AS_JSON,
) -> None:
    """Make an ingest, and print its id.

    Example: woa ingest s3://calls/in --pattern '*.wav' --schedule '0 * * * *' --results next_to_source
    """
    from cli.ingest_ways import chosen

    body: dict[str, Any] = {
        "url": url,
        "pattern": pattern,
        "schedule": schedule,
        "timezone": timezone,
        "mode": "manifest" if manifest else "since",
        "manifest": manifest,
        "tries": tries,
        "results": {"to": results, "formats": formats or ["json"]},
        "when_done": {"action": when_done, "to": move_to},
        "request": {"model": model, "language": language, "provider": provider},
    }
    with chosen(server, api_key) as way:
        made = _made(way, body)
    if as_json:
        emit_json(made)
        return
    emit(made["ingest_id"])
    when = f"It runs at {schedule} ({timezone})." if schedule else f"Run it with `woa ingest run {made['ingest_id']}`."
    tell(f"{url} is ingested from. {when}")


@ingest.command("list")
def list_ingests(server: str | None = SERVER, api_key: str | None = API_KEY, as_json: bool = AS_JSON) -> None:
    """List the ingests."""
    from cli.ingest_ways import chosen

    with chosen(server, api_key) as way:
        found = way.list()
    if as_json:
        emit_json(found)
        return
    if not found:
        tell("There are no ingests. Make one with `woa ingest URL`.")
        return
    rows = [
        [one["ingest_id"], one["url"], one["pattern"], one["schedule"] or "", "yes" if one["enabled"] else "no"]
        for one in found
    ]
    emit(table(["ID", "URL", "PATTERN", "SCHEDULE", "ENABLED"], rows))


@ingest.command()
def show(ingest_id: str = INGEST, server: str | None = SERVER, api_key: str | None = API_KEY) -> None:
    """Print an ingest with its last runs, as JSON."""
    from cli.ingest_ways import chosen

    with chosen(server, api_key) as way:
        emit_json(way.show(ingest_id))


@ingest.command()
def remove(ingest_id: str = INGEST, server: str | None = SERVER, api_key: str | None = API_KEY) -> None:
    """End an ingest; jobs and results stay."""
    from cli.ingest_ways import chosen

    with chosen(server, api_key) as way:
        way.remove(ingest_id)
    tell(f"Ingest {ingest_id} is removed.")


@ingest.command()
def run(ingest_id: str = INGEST, server: str | None = SERVER, api_key: str | None = API_KEY) -> None:
    """Run an ingest now, as soon as Prefect answers."""
    from cli.ingest_ways import chosen

    with chosen(server, api_key) as way:
        way.run(ingest_id)
    tell(f"A run of {ingest_id} is asked for.")


def _made(way: Any, body: dict[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    try:
        made: dict[str, Any] = way.create(body)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise typer.BadParameter("; ".join(wrong)) from None
    return made
