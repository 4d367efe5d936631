"""`woa keys`: who may call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.terminal import emit, emit_json, table, tell

if TYPE_CHECKING:
    from storage.keys import ApiKey

keys = typer.Typer(
    help="Create, list and revoke API keys.\n\n"
    "Without any key the server listens on this machine only; once there is one, every call needs a key.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(keys, name="keys")


@keys.command()
def create(
    name: str = typer.Argument(help="What you call it, such as the program that will use it."),
    owner: str = typer.Option("default", help="Whose files, jobs and transcripts it reaches; may be new."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Create a key and print it, once: only its hash is kept.

    Keys of one owner see the same files, jobs and transcripts; those of another owner do not exist for them. What was
    made without any key belongs to the owner `default`.

    Example: woa keys create web --owner alice
    """
    from cli.configuration import read_settings
    from cli.running import with_store

    key, secret = with_store(read_settings(), lambda store: store.keys.create(owner, name))
    if as_json:
        emit_json({**_described(key), "secret": secret})
        return
    emit(secret)
    tell(f"Key {key.key_id} ({name}). Keep it now: it cannot be shown again. Send it as `Authorization: Bearer KEY`.")


@keys.command("list")
def list_keys(as_json: bool = typer.Option(False, "--json", help="Print a JSON array.")) -> None:
    """List the keys: never the keys themselves."""
    from cli.configuration import read_settings
    from cli.running import with_store

    found = with_store(read_settings(), lambda store: store.keys.list())
    if as_json:
        emit_json([_described(key) for key in found])
        return
    if not found:
        tell("There are no keys: the server listens on this machine only. Create one with `woa keys create NAME`.")
        return
    rows = [
        [
            key.key_id,
            key.prefix,
            key.name,
            key.owner_id,
            *map(_when, (key.created_at, key.last_used_at, key.revoked_at)),
        ]
        for key in found
    ]
    emit(table(["ID", "BEGINS", "NAME", "OWNER", "CREATED", "USED", "REVOKED"], rows))


@keys.command()
def revoke(
    key_id: str = typer.Argument(metavar="ID", help="The key's id, as `woa keys list` shows it."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Revoke a key: calls with it are refused from now on.

    Example: woa keys revoke 3f2a
    """
    from cli.configuration import read_settings
    from cli.running import with_store

    with_store(read_settings(), lambda store: store.keys.revoke(key_id))
    if as_json:
        emit_json({"id": key_id, "revoked": True})
    else:
        tell(f"Key {key_id} is revoked.")


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "owner_id": key.owner_id,
        "prefix": key.prefix,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def _when(moment: Any) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment is not None else ""
