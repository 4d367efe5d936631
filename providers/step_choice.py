"""Which provider does a step that a request asks for; refused up front when nobody can."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from providers.role import StepProvider
from providers.roster import Roster
from speech.errors import PolicyRefused, ProviderUnavailable, UnsupportedOption

S = TypeVar("S", bound=StepProvider)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of a step.

    ``field`` is its part of the request; ``name`` the provider that it names, None: whoever can; ``languages`` those
    that may be spoken, one when it is known; ``local_only``: nothing may leave this server's machines.
    """

    field: str
    name: str | None
    languages: Collection[str]
    local_only: bool


class StepChoice(Generic[S]):
    """The providers of one step, and the choice among them."""

    def __init__(self, roster: Roster[S]) -> None:
        self.roster = roster

    def choose(self, wish: Wish) -> S:
        """Who does it: the one that is named, or the first that can.

        Raises:
            UnknownProvider, UnsupportedOption, PolicyRefused: naming the field, with how to mend it.

        """
        if wish.name is not None:
            return self._able(wish.name, wish)
        refusals: list[UnsupportedOption] = []
        for name in self.roster.names():
            try:
                return self._able(name, wish)
            except UnsupportedOption as refusal:
                refusals.append(refusal)
        reasons = " ".join(dict.fromkeys(refusal.message for refusal in refusals))
        raise UnsupportedOption(reasons or f"{wish.field}: nobody here can do it.", f"{wish.field}.enabled")

    def describe(self) -> list[dict[str, Any]]:
        """Everybody as plain data, for clients and people."""
        return [self._described(name) for name in self.roster.names()]

    def _able(self, name: str, wish: Wish) -> S:
        field = f"{wish.field}.provider" if wish.name else f"{wish.field}.enabled"
        try:
            provider = self.roster.get(name)
        except ProviderUnavailable as error:
            raise UnsupportedOption(f"{wish.field}: {error.message}", field) from error
        found = provider.availability()
        if not found.available:
            raise UnsupportedOption(f"{wish.field}: {name} cannot work here: {found.reason} {found.mend or ''}", field)
        if wish.local_only and not provider.abilities.local:
            raise PolicyRefused(f"{wish.field}: {name} sends to a cloud, and the data policy is local_only.", field)
        self._check_languages(provider, wish)
        return provider

    def _check_languages(self, provider: S, wish: Wish) -> None:
        foreign = [language for language in wish.languages if not provider.abilities.knows(language)]
        if not foreign:
            return
        if len(wish.languages) == 1:
            field = f"{wish.field}.provider" if wish.name else f"{wish.field}.enabled"
            raise UnsupportedOption(f"{wish.field}: {provider.name} does not know the language {foreign[0]!r}.", field)
        raise UnsupportedOption(
            f"{wish.field}: {provider.name} knows {', '.join(provider.abilities.languages or ())} only: name the "
            "language that is spoken.",
            "language",
        )

    def _described(self, name: str) -> dict[str, Any]:
        try:
            provider = self.roster.get(name)
        except ProviderUnavailable as error:
            return {"name": name, "title": name, "version": "", "local": False, "languages": []} | {
                "available": False,
                "reason": error.message,
                "mend": "Install what the provider needs, or remove it.",
            }
        can, found = provider.abilities, provider.availability()
        return {
            "name": name,
            "title": provider.title,
            "version": provider.version,
            "local": can.local,
            "languages": None if can.languages is None else list(can.languages),
            "available": found.available,
            "reason": found.reason,
            "mend": found.mend,
        }
