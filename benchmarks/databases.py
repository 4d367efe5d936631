"""Where an installation keeps its rows, and Prefect its own: SQLite in its folder, or PostgreSQL of this run's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.postgres_server import empty_database, running_postgres, server_programs

SQLITE = "SQLite"
POSTGRESQL = "PostgreSQL"
BOTH = (SQLITE, POSTGRESQL)


@dataclass(frozen=True, slots=True)
class Databases:
    """Ours and Prefect's, as SQLAlchemy URLs; None: SQLite in the installation's folder."""

    title: str
    ours: str | None = None
    prefect: str | None = None


@contextmanager
def new_databases(title: str) -> Iterator[Databases]:
    """Empty ones, which go with the block; RuntimeError when PostgreSQL is asked for and not installed."""
    if title == SQLITE:
        yield Databases(title)
        return
    programs = server_programs()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql).")
    with ExitStack() as held:
        server = held.enter_context(running_postgres(programs))
        ours, prefect = (held.enter_context(empty_database(server)) for _ in range(2))
        yield Databases(title, ours, prefect)
