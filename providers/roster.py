"""The providers of one role: found by name, each made when it is first asked for.

Built-in providers and those of other packages come through one door: entry points of the role's group, each naming a
class that is made with a `ProviderContext`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar

from providers.context import ProviderContext
from speech.errors import ProviderUnavailable, UnknownProvider


class Named(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str:
        """As in requests."""


P = TypeVar("P", bound=Named)

Maker = Callable[[ProviderContext], P]
"""What makes a provider: its class, mostly."""


class Roster(Generic[P]):
    """Who there is of one role, in one process; for many threads at once.

    ``field`` is what in a request names one of them. ``extra`` are providers beside the installed ones, by name: for
    tests and for programs that embed the product.
    """

    def __init__(
        self,
        group: str,
        built_in: Sequence[EntryPoint],
        context: ProviderContext,
        field: str = "provider",
        extra: Mapping[str, Maker[P]] | None = None,
    ) -> None:
        self._context = context
        self._field = field
        self._makers: dict[str, Callable[[], Any]] = {
            point.name: point.load for point in points(built_in, entry_points(group=group))
        }
        self._extra = dict(extra or {})
        self._made: dict[str, P] = {}
        self._making = threading.RLock()

    def names(self) -> tuple[str, ...]:
        """Who may be asked for: the built-in ones in their order of preference, then the others."""
        return tuple(dict.fromkeys((*self._makers, *sorted(self._extra))))

    def get(self, name: str) -> P:
        """The provider of that name.

        Raises:
            UnknownProvider: when there is none.
            ProviderUnavailable: when its code cannot be loaded here.

        """
        with self._making:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def _make(self, name: str) -> P:
        if name not in self._makers and name not in self._extra:
            there = ", ".join(sorted(self.names()))
            raise UnknownProvider(f"There is no provider {name!r}: there are {there}.", self._field)
        try:
            maker = self._extra[name] if name in self._extra else self._makers[name]()
        except (ImportError, AttributeError) as error:
            raise ProviderUnavailable(f"The provider {name} cannot be loaded: {error}.", name) from error
        made: P = maker(self._context)
        if made.name != name:
            raise ValueError(f"The provider registered as {name!r} calls itself {made.name!r}.")
        return made


def points(built_in: Sequence[EntryPoint], installed: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Built-in and installed entry points; a name that two packages give is nobody's, so it is refused."""
    found = list(built_in)
    for point in installed:
        same = next((known for known in found if known.name == point.name), None)
        if same is None:
            found.append(point)
        elif same.value != point.value:
            raise ValueError(f"Two providers are called {point.name!r}: {same.value} and {point.value}.")
    return found
