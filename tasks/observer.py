"""A job as the observer of its steps: progress goes to the job's row, cancellation comes from there."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from orchestration.handover import asked_to_leave
from pipeline.runtime import Runtime
from speech.errors import AttemptSuperseded, JobCancelled, JobTimedOut
from speech.jobs import Stage
from speech.options import TranscribeRequest
from speech.transcript import Segment
from storage.attempts import Attempt

log = structlog.get_logger(__name__)

SECONDS_BETWEEN_WRITES = 0.5
SECONDS_BETWEEN_LOOKS = 0.5
OVER = "The job ran longer than its timeout allows."

_BEGINS, _ENDS = 5.0, 95.0
"""Between them, of 100, lies everything from the first recognised word to the last step before rendering."""


def shares(request: TranscribeRequest) -> dict[Stage, tuple[float, float]]:
    """Where each stage begins and ends on the way from 0 to 100, for what the request asks for.

    Recognition takes most of the time; what is left of diarization, which runs beside it, comes after it.
    """
    weights = {
        Stage.TRANSCRIBING: 90.0,
        Stage.DIARIZING: 30.0 * request.diarization.enabled,
        Stage.ALIGNING: 15.0 * request.alignment.enabled,
        Stage.PUNCTUATING: 5.0 * request.punctuation.enabled,
    }
    each = (_ENDS - _BEGINS) / sum(weights.values())
    found, begin = {Stage.PREPARING: (0.0, _BEGINS), Stage.RENDERING: (_ENDS, 99.0)}, _BEGINS
    for stage, weight in weights.items():
        found[stage] = (begin, begin + weight * each)
        begin += weight * each
    return found


@dataclass
class JobObserver:
    """Watches one file of one attempt. Steps report often; the row is written and read at most twice a second."""

    runtime: Runtime
    attempt: Attempt
    file_id: str
    until: float = math.inf
    """When the job's own time is over, on the monotonic clock."""
    _written_at: float = 0.0
    _written_stage: Stage | None = None
    _looked_at: float = field(default_factory=time.monotonic)
    _cancelled: bool = False
    _deadline: float = math.inf

    def __post_init__(self) -> None:
        self._deadline = self.until
        self._shares = shares(self.attempt.job.request)

    def progress(self, stage: Stage, fraction: float) -> None:
        """Write the progress when the stage changes, else now and then."""
        if self._due(stage):
            self._write(stage, lambda: fraction)

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        """Tell those who follow the job the words of a piece. They are not said again: an outage fails the step, which
        is worth another try and finds its pieces kept."""
        self.runtime.wait(self.runtime.store.attempts.piece_done(self.attempt, self.file_id, piece, segments))

    def _due(self, stage: Stage) -> bool:
        moment = time.monotonic()
        if stage is self._written_stage and moment - self._written_at < SECONDS_BETWEEN_WRITES:
            return False
        self._written_at, self._written_stage = moment, stage
        return True

    def _write(self, stage: Stage, fraction: Callable[[], float]) -> None:
        begin, end = self._shares[stage]
        with _outages_passing():
            reached = begin + (end - begin) * min(1.0, max(0.0, fraction()))
            self.runtime.wait(self.runtime.store.attempts.progress(self.attempt, self.file_id, stage, reached))

    def cancelled(self) -> bool:
        """Whether to stop: the job was cancelled, its time or the step's is over, or the worker wants to leave."""
        moment = time.monotonic()
        if moment > self._deadline or asked_to_leave():
            return True
        if not self._cancelled and moment - self._looked_at >= SECONDS_BETWEEN_LOOKS:
            self._looked_at = moment
            job_id = self.attempt.job.job_id
            with _outages_passing():
                self._cancelled = self.runtime.wait(self.runtime.store.attempts.cancel_requested(job_id))
        return self._cancelled

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Give the block that many seconds, as far as the job has them; a step that outstays them has timed out.

        Raises:
            JobTimedOut: then.

        """
        self._deadline = min(time.monotonic() + seconds, self.until)
        try:
            yield
        except JobCancelled:
            moment = time.monotonic()
            if self._cancelled or moment <= self._deadline:
                raise
            raise JobTimedOut(OVER if moment > self.until else "A step took longer than it may.") from None
        finally:
            self._deadline = self.until


@dataclass
class SideObserver(JobObserver):
    """Watches a step that runs beside others, whose progress is what the job shows meanwhile."""

    fraction: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when nobody needs the step any more."""

    def progress(self, stage: Stage, fraction: float) -> None:
        """Keep how far it is, for whoever waits for it in the end."""
        self.fraction = fraction

    def cancelled(self) -> bool:
        """Also when nobody needs it any more."""
        return self.stopped.is_set() or super().cancelled()


@contextmanager
def _outages_passing() -> Iterator[None]:
    """A database that is away for a moment must not cost the work: it is written, or asked, the next time."""
    try:
        yield
    except AttemptSuperseded:
        raise
    except Exception as error:  # noqa: BLE001 - databases fail in many ways, and none of them is this step's
        log.warning("the job's row could not be reached; going on", error=type(error).__name__)
