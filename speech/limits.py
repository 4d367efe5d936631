"""How many jobs may be at work at once: of an owner, and of a provider or model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from speech.settings import Settings


@dataclass(frozen=True, slots=True)
class AtWork:
    """Whose a job is and what it uses: ``model`` is ``provider/model``, ``provider/default`` where it names none."""

    owner_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_owner`` jobs of each owner, 0 for any number; ``models`` are patterns of ``provider/model``, each with how
    many jobs that fit it."""

    per_owner: int
    models: Mapping[str, int]

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The installation's."""
        return cls(settings.owner_jobs_at_once, settings.model_jobs_at_once)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.per_owner > 0 or bool(self.models)

    def leave_room(self, job: AtWork, others: Collection[AtWork]) -> bool:
        """Whether the job may be at work beside those others."""
        if 0 < self.per_owner <= sum(other.owner_id == job.owner_id for other in others):
            return False
        return all(
            sum(fnmatchcase(other.model, pattern) for other in others) < most
            for pattern, most in self.models.items()
            if fnmatchcase(job.model, pattern)
        )
