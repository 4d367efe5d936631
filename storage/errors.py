"""What storage refuses, and what it cannot find."""

from __future__ import annotations

from speech.errors import Blame, SpeechError


class Missing(SpeechError):
    """Nothing of that id belongs to this owner; ``code`` says what kind of thing was asked for."""

    code = "not_found"

    def __init__(self, message: str = "", code: str = "not_found") -> None:
        super().__init__(message)
        self.args = (message, code)
        self.code = code  # type: ignore[misc]  # one class, and a code for each kind of thing


class BlobMissing(SpeechError, KeyError):
    """No blob lies under that key."""

    code = "blob_missing"


class QueueFull(SpeechError):
    """The owner has as many unfinished jobs as the operator allows."""

    code = "queue_full"
    retryable = True


class LimitReached(SpeechError):
    """As many jobs of the owner, or with the model, are at work as the operator allows; this one has to wait."""

    code = "limit_reached"
    retryable = True


class TooManyIngests(SpeechError):
    """The owner has as many ingests as the operator allows; one has to be deleted first."""

    code = "too_many_ingests"


class TooManySpeakers(SpeechError):
    """The owner has as many speakers, or the speaker as many takes, as are allowed; one has to be deleted first."""

    code = "too_many_speakers"


class SpeakerExists(SpeechError):
    """The owner has a speaker of that name: results could not tell the two apart."""

    code = "speaker_exists"


class LastTake(SpeechError):
    """Without this take nothing would be known of the speaker's voice."""

    code = "last_take"


class JobFinished(SpeechError):
    """The job has ended; there is nothing left to cancel."""

    code = "job_finished"


class JobNotFinished(SpeechError):
    """The job is still at work: its results cannot be deleted yet, nor can it be retried."""

    code = "job_not_finished"


class DeliveryForgotten(SpeechError):
    """The results of the job were deleted or have expired, and with them what was to be delivered, and where."""

    code = "result_expired"


class NothingToRetry(SpeechError):
    """Every file of the job is done already."""

    code = "nothing_to_retry"


class JobExpired(SpeechError):
    """The job's request is gone, so that it cannot run again."""

    code = "job_expired"


class FileInUse(SpeechError):
    """An unfinished job needs this file."""

    code = "file_in_use"


class IngestBusy(SpeechError):
    """Jobs of the source are unfinished, and find their recordings by what is known of it."""

    code = "ingest_busy"


class SpecificationUnreadable(SpeechError):
    """The stored request was written by another version, which this one does not understand."""

    code = "specification_unreadable"


class DatabaseUnusable(SpeechError):
    """The database's URL is wrong, or nothing answers there."""

    code = "database_unusable"
    retryable = True
    blame = Blame.SERVER
