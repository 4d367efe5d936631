"""What an error of a step is, and whose trouble: that of a provider is somebody else's when the provider is."""

from __future__ import annotations

import structlog

from providers.registry import Registry
from speech.disks import disk_error
from speech.errors import Blame, ProviderError, ProviderUnavailable, SpeechError, UnexpectedError, UnknownProvider

log = structlog.get_logger(__name__)


def blame_of(error: SpeechError, registry: Registry) -> Blame:
    """What the error is laid to."""
    if isinstance(error, ProviderError) and _is_remote(registry, error.provider):
        return Blame.REQUEST
    return error.blame


def known(error: Exception, what: str) -> SpeechError:
    """The error as ours; ``what`` met it, for the log, which alone hears the words of an error that nobody foresaw."""
    if isinstance(error, SpeechError):
        return error
    if isinstance(error, OSError) and (sick := disk_error(error, "A disk of this server")) is not None:
        log.error("a disk fails the work", what=what, exc_info=error)
        return sick
    log.error("unexpected error", what=what, exc_info=error)
    return UnexpectedError(f"The server met an unexpected error ({type(error).__name__}).")


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
