"""The two ways to ingests: through a server, or in the installation's own database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cli.client import Server
    from speech.settings import Settings

OWNER = "default"
"""Whose ingests are those that a person at this machine makes without a key."""


class Way(Protocol):
    """What the commands need; ingests are as the API shows them."""

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make one."""

    def list(self) -> list[dict[str, Any]]:
        """All of them, newest first."""

    def show(self, ingest_id: str) -> dict[str, Any]:
        """One, with its last ``runs``."""

    def remove(self, ingest_id: str) -> None:
        """Delete one."""

    def run(self, ingest_id: str) -> None:
        """Ask for a run now."""


@contextmanager
def chosen(server: str | None, api_key: str | None) -> Iterator[Way]:
    """The server's way when there is a server, else that of this installation."""
    if server:
        from cli.client import Server

        with Server(server, api_key) as client:
            yield ThroughServer(client)
        return
    from cli.configuration import read_settings

    yield InDatabase(read_settings())


class ThroughServer:
    """The API does it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make one; asked again after a lost answer, it is still one."""
        return self._server.ask("POST", "/ingests", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})

    def list(self) -> list[dict[str, Any]]:
        """All pages."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self._server.ask("GET", "/ingests", params={"limit": 200, **cursor})
            found += page["ingests"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def show(self, ingest_id: str) -> dict[str, Any]:
        """One, with its last runs."""
        runs = self._server.ask("GET", f"/ingests/{ingest_id}/runs", params={"limit": 10})["runs"]
        return {**self._server.ask("GET", f"/ingests/{ingest_id}"), "runs": runs}

    def remove(self, ingest_id: str) -> None:
        """Delete one."""
        self._server.ask("DELETE", f"/ingests/{ingest_id}")

    def run(self, ingest_id: str) -> None:
        """Ask for a run now."""
        self._server.ask("POST", f"/ingests/{ingest_id}/run")


class InDatabase:
    """This process does it; what it asks Prefect for, control brings there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Check it as the API does, and keep it."""
        from cli.running import with_store
        from speech.ingestion import IngestOptions
        from storage.ids import new_id

        options = IngestOptions.model_validate(body)
        self._check(options)
        name, most = new_id(), self._settings.max_ingests
        made = with_store(self._settings, lambda store: store.ingests.create(OWNER, options, ingest_id=name, most=most))
        return _shown(made)

    def list(self) -> list[dict[str, Any]]:
        """All pages."""
        from cli.running import with_store
        from storage.store import Store

        async def all_of_them(store: Store) -> list[Any]:
            found, cursor = await store.ingests.list(OWNER, limit=200)
            while cursor is not None:
                more, cursor = await store.ingests.list(OWNER, limit=200, cursor=cursor)
                found += more
            return found

        return [_shown(one) for one in with_store(self._settings, all_of_them)]

    def show(self, ingest_id: str) -> dict[str, Any]:
        """One, with its last runs."""
        from api.ingest_schemas import run_view
        from cli.running import with_store
        from storage.store import Store

        async def look(store: Store) -> dict[str, Any]:
            one = await store.ingests.get(OWNER, ingest_id)
            runs, _ = await store.ingest_runs.list(ingest_id, limit=10)
            return {**_shown(one), "runs": [run_view(run).model_dump(mode="json") for run in runs]}

        return with_store(self._settings, look)

    def remove(self, ingest_id: str) -> None:
        """Delete one."""
        from cli.running import with_store

        with_store(self._settings, lambda store: store.ingests.delete(OWNER, ingest_id))

    def run(self, ingest_id: str) -> None:
        """Ask for a run now."""
        from cli.running import with_store

        with_store(self._settings, lambda store: store.ingests.want_run(OWNER, ingest_id))

    def _check(self, options: Any) -> None:
        from engine.engine import Engine
        from pipeline.ingest_check import check_ingest
        from providers.registry import Registry
        from remote.stores import AllowedStores
        from weights.store import WeightStore

        weights, engine = WeightStore.from_settings(self._settings), Engine.from_settings(self._settings)
        stores = AllowedStores.from_settings(self._settings)
        check_ingest(options, OWNER, stores, Registry(self._settings, weights, engine))


def _shown(ingest: Any) -> dict[str, Any]:
    from api.ingest_schemas import ingest_view

    return ingest_view(ingest).model_dump(mode="json")
