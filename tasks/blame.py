"""Whose trouble an error of a step is: that of a provider is somebody else's when the provider is."""

from __future__ import annotations

from providers.registry import Registry
from speech.errors import Blame, ProviderError, ProviderUnavailable, SpeechError, UnknownProvider


def blame_of(error: SpeechError, registry: Registry) -> Blame:
    """What the error is laid to."""
    if isinstance(error, ProviderError) and _is_remote(registry, error.provider):
        return Blame.REQUEST
    return error.blame


def _is_remote(registry: Registry, name: str) -> bool:
    try:
        return not registry.get(name).capabilities.local
    except UnknownProvider:
        pass  # it is one of a step
    except ProviderUnavailable:
        return False  # its code cannot be loaded: that is this machine's
    for choice in (registry.diarizers, registry.aligners, registry.punctuators):
        if name in choice.roster.names():
            return not choice.roster.get(name).abilities.local
    return False
