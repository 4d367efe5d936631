"""Every error that a person or a client may meet, with a stable code.

::

    SpeechError
    ├─ InvalidAudio · TextMismatch · FileTooLarge
    ├─ StorageFull (ModelsFull) · DiskUnusable
    ├─ DownloadFailed · UrlNotFound · SourceChanged · UrlRefused
    ├─ UnknownProvider · UnsupportedOption · PolicyRefused · PlaceRefused
    ├─ ModelNotFound · ModelUnavailable (ModelNotInstalled)
    ├─ JobCancelled · JobTimedOut · UnexpectedError · AttemptSuperseded
    └─ ProviderError(message, provider, retry_after)
       ├─ retryable: ProviderUnavailable (DeviceUnavailable) · ProviderTimeout · RateLimited
       └─ permanent: ProviderRejected · AuthenticationFailed · QuotaExhausted · ProviderProtocolError

Messages are sentences that a person can act on. They never hold transcript text, URL queries or secrets,
because Prefect stores them and logs print them. Errors survive pickling: every argument has a default.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """What an error is laid to: that decides what becomes of a job that meets it (tasks/patience.py)."""

    REQUEST = "request"
    """The file, what was asked for, or somebody else's service: the job fails when tries on the spot do not help."""
    MODEL = "model"
    """A model that this machine cannot have now: the job waits for it, or for another worker, a while."""
    SERVER = "server"
    """A disk, the storage, the database or a device of ours: the job waits until that is mended, and the worker that
    met it takes less."""


class SpeechError(Exception):
    """Base of all errors of the product; ``code`` is the stable word that clients see.

    ``retryable`` says that another try on the spot may help, ``blame`` whose trouble it is.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    blame: ClassVar[Blame] = Blame.REQUEST

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message  # also where ``args`` holds more, for pickling


class InvalidAudio(SpeechError):
    """The bytes hold no audio that can be decoded within the limits."""

    code = "invalid_audio"


class TextMismatch(SpeechError):
    """The text that was given is not what is spoken in the recording."""

    code = "text_mismatch"


class FileTooLarge(SpeechError):
    """More bytes than the operator allows."""

    code = "file_too_large"


class StorageFull(SpeechError):
    """The disk or bucket takes no more bytes."""

    code = "storage_full"
    blame = Blame.SERVER


class ModelsFull(StorageFull):
    """The disk of the models has no room for one more; those that are there work."""

    code = "models_folder_full"
    blame = Blame.MODEL


class DiskUnusable(SpeechError):
    """A disk of this server does not read or write as it should."""

    code = "disk_unusable"
    retryable = True
    blame = Blame.SERVER


class DownloadFailed(SpeechError):
    """A URL could not be fetched; worth another try."""

    code = "download_failed"
    retryable = True


class UrlNotFound(SpeechError):
    """There is nothing to fetch at a URL, or not for us; another try would end the same."""

    code = "url_not_found"


class SourceChanged(UrlNotFound):
    """The object holds other bytes than those that were met: they are a recording of their own."""

    code = "source_changed"


class UrlRefused(SpeechError):
    """A URL that this server does not fetch: scheme, address, redirect or bucket not allowed."""

    code = "url_refused"


class UnsupportedOption(SpeechError):
    """An option that the provider, or this server, does not offer; ``field`` names it as in the request."""

    code = "unsupported_option"

    def __init__(self, message: str = "", field: str = "") -> None:
        super().__init__(message)
        self.args = (message, field)
        self.field = field


class UnknownProvider(UnsupportedOption):
    """No provider of that name."""

    code = "unknown_provider"


class PolicyRefused(UnsupportedOption):
    """The owner's or operator's data policy forbids it."""

    code = "policy_refused"


class PlaceRefused(UnsupportedOption):
    """A bucket or folder that this server does not read from, or write to; ``field`` names it."""

    code = "place_refused"


class ModelNotFound(UnsupportedOption):
    """No model of that name, or a path that holds none."""

    code = "model_not_found"


class ModelUnavailable(SpeechError):
    """The model exists but its weights could not be fetched now; worth another try."""

    code = "model_unavailable"
    retryable = True
    blame = Blame.MODEL


class ModelNotInstalled(ModelUnavailable):
    """The model's weights are not here, and nothing may fetch them: somebody has to put them there."""

    code = "model_not_installed"
    retryable = False
    blame = Blame.REQUEST


class JobCancelled(SpeechError):
    """Somebody asked for this job to stop."""

    code = "job_cancelled"


class JobTimedOut(SpeechError):
    """The job, or one of its steps, ran longer than it may."""

    code = "job_timed_out"


class UnexpectedError(SpeechError):
    """A bug, or an error of a library that nobody foresaw; the log of the process says more."""

    code = "internal_error"


class AttemptSuperseded(SpeechError):
    """Another attempt at the same job has started: this one may write nothing more."""

    code = "attempt_superseded"


class ProviderError(SpeechError):
    """A recogniser failed. ``provider`` is its name; ``retry_after`` seconds, when it said so."""

    code = "provider_error"

    def __init__(self, message: str = "", provider: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.args = (message, provider, retry_after)
        self.provider = provider
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """The provider is down or unreachable. The blame is that of one that runs on this machine."""

    code = "provider_unavailable"
    retryable = True
    blame = Blame.MODEL


class DeviceUnavailable(ProviderUnavailable):
    """The device that models run on cannot be used now, whichever the model."""

    code = "device_unavailable"
    blame = Blame.SERVER


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    retryable = True


class RateLimited(ProviderError):
    """The provider asks us to slow down."""

    code = "rate_limited"
    retryable = True


class ProviderRejected(ProviderError):
    """The provider refuses this request and would refuse it again."""

    code = "provider_rejected"


class AuthenticationFailed(ProviderError):
    """The provider does not accept our credentials."""

    code = "authentication_failed"


class QuotaExhausted(ProviderError):
    """The account at the provider has nothing left."""

    code = "quota_exhausted"


class ProviderProtocolError(ProviderError):
    """The provider answered something that its protocol does not allow."""

    code = "provider_protocol_error"


def blame_of(code: str | None) -> Blame:
    """What the error of that code is laid to; the request, when no error of ours that was imported has it."""
    return next((kind.blame for kind in _kinds(SpeechError) if kind.code == code), Blame.REQUEST)


def _kinds(base: type[SpeechError]) -> list[type[SpeechError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in _kinds(child))]
