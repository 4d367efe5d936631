"""One file of one attempt, as it goes from step to step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial

from pipeline.prepare import Prepared
from pipeline.recognise import Recognised
from pipeline.recording import Recording, stored_recording
from pipeline.runtime import Runtime
from pipeline.steps import KeptSteps, StepKey
from pipeline.stopwatch import Stopwatch
from speech.errors import AttemptSuperseded, JobCancelled, SpeechError
from speech.jobs import JobFile, StoredFile
from speech.options import TranscribeRequest
from speech.transcript import Transcript
from storage.attempts import Attempt
from tasks.observer import JobObserver


class FileWork:
    """What is known of a file so far. A plain class: Prefect walks into dataclasses that tasks are given, and a
    transcript of ten hours holds a hundred thousand words."""

    stored: StoredFile
    recording: Recording
    prepared: Prepared
    recognised: Recognised
    transcript: Transcript

    def __init__(self, runtime: Runtime, attempt: Attempt, file: JobFile) -> None:
        self.runtime = runtime
        self.attempt = attempt
        self.file = file
        self.clock = Stopwatch()
        self.observer = JobObserver(runtime, attempt, file.file_id)

    @property
    def request(self) -> TranscribeRequest:
        """What the job asked for."""
        return self.attempt.job.request

    @property
    def owner_id(self) -> str:
        """Whose job it is."""
        return self.attempt.job.owner_id

    @cached_property
    def steps(self) -> KeptSteps:
        """The owner's finished steps; each that this file uses is noted, so that deletion finds it."""
        return KeptSteps(self.runtime.store.blobs, self._register, refresh=self.request.cache == "refresh")

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the working folder while the steps run."""
        with stored_recording(self.runtime, self.stored) as recording:
            self.recording = recording
            yield

    @contextmanager
    def failing_alone(self) -> Iterator[None]:
        """Record what goes wrong with this file, and let the other files go on."""
        try:
            yield
        except (JobCancelled, AttemptSuperseded):
            raise
        except SpeechError as error:
            self._fail(error.code, error.message)

    def _fail(self, code: str, message: str) -> None:
        self.runtime.wait(self.runtime.store.attempts.file_failed(self.attempt, self.file.file_id, code, message))

    def _register(self, key: StepKey) -> None:
        note = partial(self.runtime.store.steps.remember, self.owner_id, self.attempt.job.job_id, self.file.file_id)
        self.runtime.wait(note(key.step, key.name))
