"""What every provider is, whatever it does: a name, a version, and whether it can work here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a provider can work here; if not, why, and how to mend it."""

    available: bool
    reason: str | None = None
    mend: str | None = None


def never() -> bool:
    """Nobody asks to stop."""
    return False


def unheard(fraction: float) -> None:
    """Nobody is told."""


class PartStore(Protocol):
    """Where a step that takes long keeps its parts, so that whoever takes up interrupted work does only the rest.

    What it is given belongs to one recording and to the provider's `StepProvider.identity`.
    """

    def recall(self, part: str) -> bytes | None:
        """What was kept of a part, or None."""

    def keep(self, part: str, outcome: bytes) -> None:
        """Keep a part; keeping it twice does no harm."""


class NoParts:
    """Keeps nothing: nobody takes up this work."""

    def recall(self, part: str) -> bytes | None:
        """Nothing, ever."""
        return None

    def keep(self, part: str, outcome: bytes) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class StepWatch:
    """The caller's ear while a step runs: ``cancelled`` is asked often, ``advanced`` is told the share in [0, 1] that
    is done; ``parts`` has what was done of this work before."""

    cancelled: Callable[[], bool] = never
    advanced: Callable[[float], None] = unheard
    parts: PartStore = NoParts()  # noqa: RUF009 - it has no state


@dataclass(frozen=True, slots=True)
class StepCapabilities:
    """What a provider of a step can do, as data."""

    local: bool
    """Audio and text stay on this server's own machines."""
    languages: tuple[str, ...] | None = None
    """ISO 639 codes that it knows; None: the language does not matter."""

    def knows(self, language: str) -> bool:
        """Whether it can work in that language (ISO 639, with or without a region)."""
        return self.languages is None or language.split("-")[0] in self.languages


class StepProvider(ABC):
    """A provider of one step beside recognition. One instance serves many threads at once.

    It never retries, never logs secrets, and turns its library's errors into ours in one place.
    """

    name: ClassVar[str]
    """As in requests; lower case."""
    title: ClassVar[str]
    """As people read it."""
    version: ClassVar[str]
    """Raised when the adapter's output changes: part of the cache key."""

    @property
    @abstractmethod
    def abilities(self) -> StepCapabilities:
        """What it can do, with the models that the settings name."""

    @abstractmethod
    def availability(self) -> Availability:
        """Whether this provider can work here; quick, never over the network."""

    @abstractmethod
    def digest(self) -> str:
        """Identity of the weights or of a cloud model's revision: part of the cache key.

        Fetches the weights when they are not on disk yet.
        """

    def engine_version(self) -> str:
        """Version of the library underneath: part of the cache key."""
        return ""

    def identity(self) -> list[str]:
        """Everything about the provider that its outcome depends on: part of the cache key."""
        return [self.name, self.version, self.engine_version(), self.digest()]
