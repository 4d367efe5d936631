"""Which work pool a job goes to: some models want a device that only the workers of another pool have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from speech.settings import Settings


@dataclass(frozen=True, slots=True)
class Routing:
    """``default`` is the pool of every job that no route is for; ``routes`` are patterns of ``provider/model``."""

    default: str
    routes: Mapping[str, str]

    @classmethod
    def from_settings(cls, settings: Settings) -> Routing:
        """The installation's."""
        return cls(settings.work_pool, settings.pool_routes)

    @property
    def pools(self) -> tuple[str, ...]:
        """All pools of the installation, the default one first."""
        return tuple(dict.fromkeys((self.default, *self.routes.values())))

    def pool_of(self, provider: str, model: str | None) -> str:
        """Where a job goes: the first route that fits decides. A job that names no model is known by its provider."""
        asked = f"{provider}/{model or ''}"
        return next((pool for pattern, pool in self.routes.items() if fnmatchcase(asked, pattern)), self.default)

    def deployment_in(self, pool: str, deployment: str) -> str:
        """The name under which a deployment of jobs stands in a pool; the plain one in the default pool."""
        return deployment if pool == self.default else f"{deployment}-{pool}"
