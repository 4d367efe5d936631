"""A long recording shared out: parts that other devices recognise, while its own run waits without holding a place."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from audio.pieces import Piece
from engine.slots import standing
from orchestration.handover import asked_to_leave
from pipeline.parts import share, worthwhile
from pipeline.runtime import Runtime
from providers.base import RecognitionOptions
from speech.clock import now
from speech.errors import AttemptSuperseded, JobCancelled, SpeechError
from speech.jobs import Stage
from storage.attempts import Attempt
from storage.errors import SpecificationUnreadable
from storage.parts import Part
from storage.workers import WorkerBeat
from tasks.observer import JobObserver
from tasks.patience import MustWait
from tasks.steps import HOURS, step
from tasks.work import FileWork

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 60.0
"""After how long a run that waits for its parts looks again, should nobody tell it that they have ended."""
_WAITS = "Its parts are at work."


def wait_for_parts(runtime: Runtime, job_id: str, submission: int) -> None:
    """Have the run run again later when parts of its job are at work: a new attempt would take it away from them.

    Raises:
        MustWait: then.

    """
    if runtime.wait(runtime.store.parts.at_work(job_id, submission)):
        raise MustWait(LOOK_AGAIN_SECONDS, _WAITS)


def share_out(work: FileWork) -> None:
    """Share out the recognition of a long recording when devices are idle, once.

    The language is settled first, as it would be without parts: the words come out the same.

    Raises:
        MustWait: when it was shared out.

    """
    try:
        if not _shared_out(work):
            return
    except (JobCancelled, AttemptSuperseded):
        raise
    except SpeechError as reason:
        # Whatever it is, the provider or the database: recognition meets it again, and knows what to do.
        log.warning("not shared out", reason=reason.code)
        return
    raise MustWait(LOOK_AGAIN_SECONDS, _WAITS)


def idle_devices(workers: Sequence[WorkerBeat], pool: str) -> int:
    """How many more calls of models the pool's devices could make at once than they make, or have waiting.

    The device of whoever asks is one of them: between two pieces it is as idle as the others.
    """
    free = [worker for worker in workers if worker.pool == pool and worker.busy < worker.slots and worker.is_well]
    devices = [device for worker in free for device in worker.details.get("devices", ()) if device.get("alive")]
    return sum(max(0, device.get("slots", 1) - device["calls"] - device["waiting"]) for device in devices)


class PartWork(FileWork):
    """What is known of a file so far by who recognises a part of it."""

    def __init__(self, runtime: Runtime, attempt: Attempt, part: Part) -> None:
        file = next(file for file in attempt.job.files if file.file_id == part.file_id)
        until = math.inf if part.deadline_at is None else _monotonic(part.deadline_at.timestamp())
        super().__init__(runtime, attempt, file, until)
        self.part = part
        self.observer = PartObserver(runtime, attempt, file.file_id, until, part=part)


@dataclass
class PartObserver(JobObserver):
    """Watches a part: what is done of it counts with what is done of the others."""

    part: Part | None = None

    def progress(self, stage: Stage, fraction: float) -> None:
        """Say how far all parts are; that this one is being prepared takes the job no step back."""
        part, parts = self.part, self.runtime.store.parts
        if part is not None and stage is Stage.TRANSCRIBING and self._due(stage):
            self._write(stage, lambda: self.runtime.wait(parts.advance(part, fraction * part.seconds)))


@contextmanager
def taken_up(runtime: Runtime, job_id: str, submission: int, file_id: str, part: int) -> Iterator[PartWork]:
    """A part, while somebody works at it. However that ends, the job's own run goes on with what was done.

    A part that its worker has to let go of goes back to the queue, and is not over.

    Raises:
        AttemptSuperseded, JobCancelled: when nobody wants it any more.
        SpecificationUnreadable: when the job wants something newer than this worker; its own run waits for one.

    """
    parts = runtime.store.parts
    try:
        attempt, taken = runtime.wait(parts.take_up(job_id, submission, file_id, part))
    except SpecificationUnreadable:
        runtime.wait(parts.end(job_id, file_id, part))
        raise
    try:
        yield PartWork(runtime, attempt, taken)
    finally:
        if not asked_to_leave():
            runtime.wait(parts.end(job_id, file_id, part))


@step("transcribe", 48 * HOURS)
def recognise_part(work: PartWork) -> None:
    """Recognise the pieces of a part; those that were finished before are not recognised again."""
    part = work.part
    options = replace(work.options, language=part.language)
    pieces = work.prepared.pieces[part.first_piece : part.end_piece]
    with standing(work.standing):
        for _ in work.recognising.pieces(pieces, options, part.seconds):
            pass


def _shared_out(work: FileWork) -> bool:
    count = _worthwhile(work)
    if count < 2:
        return False
    rest, options = _until_language(work)
    shared = share(rest, count)
    if len(shared) < 2:
        return False
    parts = [_part(work, number, pieces, options) for number, pieces in enumerate(shared)]
    work.runtime.wait(work.runtime.store.parts.share_out(work.attempt, parts))
    log.info("shared out", parts=len(parts), seconds=round(work.prepared.speech_seconds))
    return True


def _worthwhile(work: FileWork) -> int:
    if len(work.prepared.channels) > 1:
        return 1  # each channel has a language of its own, and parts are told of one
    runtime, seconds = work.runtime, work.prepared.speech_seconds
    threshold = runtime.settings.parts_from_seconds
    if worthwhile(seconds, threshold, idle=2) < 2 or runtime.wait(_shared_before(work)):
        return 1
    workers = runtime.wait(runtime.store.workers.online())
    return worthwhile(seconds, threshold, idle_devices(workers, runtime.settings.work_pool))


async def _shared_before(work: FileWork) -> bool:
    job = work.attempt.job
    return await work.runtime.store.parts.shared_out(job.job_id, work.file.file_id, job.submission)


def _until_language(work: FileWork) -> tuple[Sequence[Piece], RecognitionOptions]:
    """The pieces that are left when the language is known, and the options for them."""
    pieces, options, done = work.prepared.pieces, work.options, 0
    if options.language is not None:
        return pieces, options
    with work.clock.stage("transcribe"), standing(work.standing), work.observer.deadline(48 * HOURS):
        for _, after in work.recognising.pieces(pieces, options, work.prepared.speech_seconds):
            options, done = after, done + 1
            if options.language is not None:
                break
    return pieces[done:], options


def _part(work: FileWork, number: int, pieces: Sequence[Piece], options: RecognitionOptions) -> Part:
    job, left = work.attempt.job, work.observer.until - time.monotonic()
    return Part(
        job_id=job.job_id,
        file_id=work.file.file_id,
        part=number,
        submission=job.submission,
        attempt=work.attempt.number,
        first_piece=pieces[0].index,
        end_piece=pieces[-1].index + 1,
        language=options.language,
        seconds=sum(piece.speech_seconds for piece in pieces),
        whole_seconds=work.prepared.speech_seconds,
        deadline_at=None if math.isinf(left) else now() + timedelta(seconds=max(0.0, left)),
    )


def _monotonic(timestamp: float) -> float:
    return time.monotonic() + timestamp - now().timestamp()
