"""One file of one attempt, as it goes from step to step."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial

import structlog

from engine.slots import Standing
from orchestration.handover import meet_trouble
from pipeline.identify import Identity
from pipeline.prepare import Prepared
from pipeline.recognise import Recognised, Recognising
from pipeline.recording import Recording, stored_recording
from pipeline.runtime import Runtime
from pipeline.steps import KeptSteps, StepKey
from pipeline.stopwatch import Stopwatch
from providers.base import RecognitionOptions
from speech.diarization import Diarization
from speech.errors import (
    AttemptSuperseded,
    Blame,
    JobCancelled,
    JobTimedOut,
    SpeechError,
)
from speech.jobs import JobFile, StoredFile
from speech.logs import about
from speech.options import TranscribeRequest
from speech.transcript import Segment, Transcript
from storage.attempts import Attempt
from storage.submission import RANKS
from tasks.blame import blame_of, known
from tasks.observer import OVER, JobObserver
from tasks.patience import LONGEST_WAIT_HERE, PROVIDER, FileMustWait, MustWait, asked_to_wait, is_of_all_files, wait_for

log = structlog.get_logger(__name__)

_ASKED = "A provider asks for patience."


class StepFailed(Exception):
    """What Prefect hears of a step that failed: the code, and whether to try again here. The words stay with us."""

    def __init__(self, code: str = SpeechError.code, retryable: bool = False) -> None:
        super().__init__(code, retryable)
        self.retryable = retryable

    def __str__(self) -> str:
        return str(self.args[0])


class FileWork:
    """What is known of a file so far. A plain class: Prefect walks into dataclasses that tasks are given, and a
    transcript of ten hours holds a hundred thousand words."""

    stored: StoredFile
    recording: Recording
    prepared: Prepared
    recognised: Recognised
    segments: tuple[Segment, ...]
    diarization: Diarization | None = None
    warnings: tuple[str, ...] = ()
    """Sentences about the steps behind recognition, for whoever reads the result."""
    identities: Mapping[str, Identity] = {}
    """Who the speakers are, by label, as far as the owner has enrolled them."""
    transcript: Transcript
    failure: SpeechError

    def __init__(self, runtime: Runtime, attempt: Attempt, file: JobFile, until: float = math.inf) -> None:
        """``until``: when the attempt's time is over, on the monotonic clock."""
        self.runtime = runtime
        self.attempt = attempt
        self.file = file
        self.clock = Stopwatch()
        self.observer = JobObserver(runtime, attempt, file.file_id, until)

    @property
    def request(self) -> TranscribeRequest:
        """What the job asked for."""
        return self.attempt.job.request

    @property
    def owner_id(self) -> str:
        """Whose job it is."""
        return self.attempt.job.owner_id

    @property
    def standing(self) -> Standing:
        """Whose turn on the device it is, beside other jobs."""
        return Standing(RANKS[self.attempt.job.priority], self.owner_id)

    @cached_property
    def options(self) -> RecognitionOptions:
        """What the request asks of its provider, checked."""
        return self.runtime.registry.check(self.request)

    @property
    def spoken(self) -> tuple[str, ...]:
        """The language that is spoken, or all that may be."""
        return self.runtime.registry.spoken(self.request, self.options)

    @property
    def language(self) -> str | None:
        """The language that was heard, or asked for; None where nothing was heard and none was named."""
        return self.recognised.language or self.options.language

    @property
    def recognising(self) -> Recognising:
        """The recording, once it is prepared, and who recognises it."""
        recogniser = self.runtime.registry.get(self.request.provider)
        return Recognising(
            self.recording, self.prepared, recogniser, self.steps, self.observer, self.request.guard.enabled
        )

    @cached_property
    def steps(self) -> KeptSteps:
        """The owner's finished steps; each that this file uses is noted, so that deletion finds it."""
        made_here = self._made_here if self.request.cache == "refresh" else None
        own = f"{self.attempt.job.job_id}/{self.file.file_id}"
        return KeptSteps(self.runtime.store.blobs, self._register, made_here, own, self._release)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the working folder while the steps run."""
        with stored_recording(self.runtime, self.stored, self.request.channels) as recording:
            self.recording = recording
            yield

    def aside(self, observer: JobObserver) -> FileWork:
        """The same file for a step that runs beside the others: its failures, its times and its end are its own."""
        other = copy.copy(self)
        other.clock, other.observer = Stopwatch(), observer
        return other

    @contextmanager
    def discreetly(self) -> Iterator[None]:
        """Keep what goes wrong in a step here, and let Prefect, which stores what errors say, hear its code only.

        The sentences of our own errors name files and hosts, and those of libraries may quote anything.
        """
        try:
            yield
        except (JobCancelled, AttemptSuperseded):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its words must not reach Prefect
            self.failure = known(error, "a step")
        else:
            return
        raise StepFailed(self.failure.code, self.failure.retryable and asked_to_wait(self.failure) <= LONGEST_WAIT_HERE)

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """Record what goes wrong with this file, and let the other files go on."""
        with about(file_id=self.file.file_id):
            try:
                yield
            except (JobCancelled, AttemptSuperseded, MustWait, FileMustWait):
                raise
            except StepFailed:
                self._wait_or_fail(self.failure)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other files go on
                self._wait_or_fail(known(error, "a step"))

    def out_of_time(self) -> bool:
        """Whether the job's time is over; then the file has failed, without any work."""
        if time.monotonic() <= self.observer.until:
            return False
        self._fail(JobTimedOut(OVER))
        return True

    def tell_of_trouble(self, error: SpeechError) -> Blame:
        """What the error is laid to; the worker hears of what is its own trouble, and may take less."""
        blame = blame_of(error, self.runtime.registry)
        if blame is Blame.SERVER:
            meet_trouble(error.code)
        return blame

    def _wait_or_fail(self, error: SpeechError) -> None:
        """Have the run run again later when it may go better then; nothing is repeated then that was finished.

        Raises:
            MustWait: then.
            FileMustWait: then, when the other files of the job may go better now.

        """
        blame = self.tell_of_trouble(error)
        waited = self.runtime.wait(self.runtime.store.waits.so_far(self.attempt.job.job_id))
        wait = wait_for(error, blame, waited, self.runtime.settings)
        if wait is None:
            self._fail(error)
            return
        log.warning("the job waits", code=wait.code, reason=error.message, seconds=round(wait.seconds))
        if not is_of_all_files(error, blame):
            raise FileMustWait(wait)
        self.runtime.wait(self.runtime.store.waits.begin(self.attempt, wait))
        asked = wait.kind == PROVIDER
        raise MustWait(wait.seconds, _ASKED if asked else f"It waits ({wait.code}).", begun=asked)

    def _fail(self, error: SpeechError) -> None:
        failed = self.runtime.store.attempts.file_failed(
            self.attempt, self.file.file_id, error.code, error.message, providers_tried=self._tried()
        )
        self.runtime.wait(failed)

    def _tried(self) -> tuple[str, ...]:
        """Who was asked to recognise: nobody, when the audio could not be prepared."""
        return (self.request.provider,) if hasattr(self, "prepared") else ()

    def _made_here(self, key: StepKey) -> bool:
        """Whether this job did the step itself: an attempt before, a part, or the file before of the same bytes."""
        return self.runtime.wait(self.runtime.store.steps.known(self.attempt.job.job_id, key.name))

    def _release(self, step: str) -> None:
        store = self.runtime.store
        for name in self.runtime.wait(store.steps.let_go(self.attempt.job.job_id, self.file.file_id, step)):
            store.blobs.delete(name)

    def _register(self, key: StepKey) -> None:
        note = partial(self.runtime.store.steps.remember, self.owner_id, self.attempt.job.job_id, self.file.file_id)
        self.runtime.wait(note(key.step, key.name))
