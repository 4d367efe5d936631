"""`woa webhooks`: what webhooks are signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.terminal import emit, emit_json, table, tell

if TYPE_CHECKING:
    from storage.store import Store
    from storage.webhook_secrets import WebhookSecret

webhooks = typer.Typer(
    help="Look after webhooks, by which jobs tell their end.", no_args_is_help=True, rich_markup_mode=None
)
secret = typer.Typer(
    help="Make, list and revoke the secrets that webhooks are signed with.\n\n"
    "Receivers check the signature as Standard Webhooks says (https://www.standardwebhooks.com).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
webhooks.add_typer(secret, name="secret")

OWNER = typer.Option("default", help="Whose webhooks they sign.")
AS_JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(webhooks, name="webhooks")


@secret.command()
def create(owner: str = OWNER, as_json: bool = AS_JSON) -> None:
    """Make a further secret and print it, once; those before it go on signing beside it.

    Example: woa webhooks secret create --owner alice
    """
    _make(owner, as_json, None)


@secret.command()
def rotate(owner: str = OWNER, as_json: bool = AS_JSON) -> None:
    """Replace the secret and print the new one, once.

    Those before it go on signing for WOA_WEBHOOK_SECRET_OVERLAP_SECONDS, a day by default.

    Example: woa webhooks secret rotate
    """
    from cli.configuration import read_settings

    _make(owner, as_json, read_settings().webhook_secret_overlap_seconds)


@secret.command("list")
def list_secrets(owner: str = OWNER, as_json: bool = AS_JSON) -> None:
    """List the secrets: never the secrets themselves."""
    from cli.configuration import read_settings
    from cli.running import with_store

    found = with_store(read_settings(), lambda store: _all_secrets(store, owner))
    if as_json:
        emit_json([_described(one) for one in found])
        return
    if not found:
        tell("There are no secrets; one is made with the first webhook, or by `woa webhooks secret create`.")
        return
    rows = [[one.secret_id, *map(_when, (one.created_at, one.retires_at, one.revoked_at))] for one in found]
    emit(table(["ID", "CREATED", "SIGNS UNTIL", "REVOKED"], rows))


@secret.command()
def revoke(
    secret_id: str = typer.Argument(metavar="ID", help="The secret's id, as `woa webhooks secret list` shows it."),
    owner: str = OWNER,
    as_json: bool = AS_JSON,
) -> None:
    """Sign nothing with a secret from now on.

    Example: woa webhooks secret revoke 3f2a
    """
    from cli.configuration import read_settings
    from cli.running import with_store

    with_store(read_settings(), lambda store: store.webhook_secrets.revoke(owner, secret_id))
    if as_json:
        emit_json({"id": secret_id, "revoked": True})
    else:
        tell(f"Secret {secret_id} is revoked.")


async def _all_secrets(store: Store, owner: str) -> list[WebhookSecret]:
    found, cursor = await store.webhook_secrets.list(owner)
    while cursor is not None:
        page, cursor = await store.webhook_secrets.list(owner, cursor=cursor)
        found += page
    return found


def _make(owner: str, as_json: bool, overlap: float | None) -> None:
    from cli.configuration import read_settings
    from cli.running import with_store

    made, plain = with_store(read_settings(), lambda store: store.webhook_secrets.make(owner, overlap))
    if as_json:
        emit_json({**_described(made), "secret": plain})
        return
    emit(plain)
    tell(f"Secret {made.secret_id}. Keep it now: it cannot be shown again. Give it to what receives the webhooks.")


def _described(one: WebhookSecret) -> dict[str, Any]:
    times = {name: getattr(one, name) for name in ("created_at", "retires_at", "revoked_at")}
    return {"id": one.secret_id, "owner_id": one.owner_id, **times}


def _when(moment: Any) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment is not None else ""
