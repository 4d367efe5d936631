"""Where benchmarks start their products: on SQLite, and on a PostgreSQL of their own that waits for its disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.stack import Stack, running_stack
from speech.settings import Settings

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
DATABASES = (SQLITE, POSTGRESQL)
PLACES: int = Settings.model_fields["worker_slots"].default
"""Jobs that a worker runs at once unless told otherwise."""

_AS_INSTALLED = {"fsync": "on", "shared_buffers": "128MB"}
"""What a PostgreSQL has that nobody has set up: the one of the tests does not wait for the disk."""


@dataclass(frozen=True, slots=True)
class Databases:
    """What a product is told of its database and of that of its Prefect server; nothing says SQLite."""

    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workbench:
    """A folder for products, which goes at the end, and the models that they share."""

    folder: Path
    models: Path
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def product(self, database: str, **settings: str) -> Iterator[Stack]:
        """A running product, its jobs and its Prefect server both on that database, in a folder of its own."""
        with (
            databases(database) as told,
            running_stack(self.new_folder(), self.models, told.environment, **told.settings, **settings) as stack,
        ):
            yield stack

    def new_folder(self) -> Path:
        """A folder that nobody has used."""
        folder = self.folder / f"{next(self._numbers):02}"
        folder.mkdir(parents=True)
        return folder


@contextmanager
def databases(name: str) -> Iterator[Databases]:
    """Two empty databases of that kind, for the product and for Prefect, as long as the block lasts."""
    if name == SQLITE:
        yield Databases()
        return
    from tests.postgres_server import empty_database, running_postgres, server_programs

    programs = server_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed (Debian: apt-get install postgresql).")
    with ExitStack() as held:
        server = held.enter_context(running_postgres(programs, **_AS_INSTALLED))
        ours, theirs = (held.enter_context(empty_database(server)) for _ in range(2))
        yield Databases({"database_url": ours}, {"PREFECT_API_DATABASE_CONNECTION_URL": theirs})
