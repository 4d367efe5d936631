"""What a job waits for instead of failing of it, and for how long: providers who ask for patience, models that cannot
be had now, and whatever this server's own disks, storage and devices do.

Nothing is repeated that was finished; who waits holds no place. The waits of a kind grow, and are added up in the job's
row: a job fails when they come to more than the settings allow (docs/decisions/0019-waiting.md).
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from speech.errors import Blame, ProviderError, SpeechError
from speech.settings import Settings
from storage.waits import Wait

LONGEST_WAIT_HERE = 5.0
"""Seconds for which a run waits where it is; who is told to wait longer gives its place back meanwhile."""
LONGEST_ASKED = 3600.0
"""Who asks to be left alone for longer is not waited for."""
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0
JITTER = 0.2

PROVIDER = "provider"
VERSION = "version"
"""What is waited for besides what errors are laid to: a provider, and a worker that understands the request."""


class MustWait(Exception):
    """The run has to wait, and is to go on after so many ``seconds``; ``why`` is a sentence, and ``begun`` whether the
    job is at work meanwhile."""

    def __init__(self, seconds: float = 0.0, why: str = "A provider asks for patience.", begun: bool = True) -> None:
        super().__init__(seconds, why, begun)
        self.seconds = seconds
        self.why = why
        self.begun = begun


class FileMustWait(Exception):
    """A file has to wait for what may be its own trouble alone: the others of its job need not."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self.wait = wait


def is_of_all_files(error: SpeechError, blame: Blame) -> bool:
    """Whether an error that is waited for would meet the other files of the job too: they have the same provider, the
    same models and the same device. A blob or a disk may keep back one of them only."""
    return blame is not Blame.SERVER or isinstance(error, ProviderError)


def wait_for(error: SpeechError, blame: Blame, waited: Mapping[str, float], settings: Settings) -> Wait | None:
    """How a job waits that met an error which is laid to ``blame``; None when it fails of it.

    ``waited`` are the seconds that it has waited before, by the kind of the wait.
    """
    asked = asked_to_wait(error)
    if error.retryable and LONGEST_WAIT_HERE < asked <= LONGEST_ASKED:
        return _wait(PROVIDER, error.code, waited, settings.outage_wait_seconds, at_least=asked)
    if blame is Blame.SERVER:
        return _wait(str(blame), error.code, waited, settings.outage_wait_seconds)
    if blame is Blame.MODEL:
        return _wait(str(blame), error.code, waited, settings.model_wait_seconds)
    return None


def asked_to_wait(error: SpeechError) -> float:
    """For how many seconds a provider asks to be left alone; 0 when it does not say."""
    return (error.retry_after or 0.0) if isinstance(error, ProviderError) else 0.0


def _wait(kind: str, code: str, waited: Mapping[str, float], most: float, at_least: float = 0.0) -> Wait | None:
    before = waited.get(kind, 0.0)
    if before >= most:
        return None
    # Jobs that met the same outage must not all come back in the same second.
    pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, before)) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    return Wait(kind, max(at_least, pause), code)
