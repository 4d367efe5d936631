"""Who speaks when in a recording, told by a diarizer and kept.

While a long recording is under way, what was heard in each of its parts is kept too: whoever takes up the interrupted
job hears the rest. Those parts hold vectors of voices, so they are the job's own and go as soon as the whole is known;
what is left of jobs that ended otherwise, the next clean-up takes away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from pydantic import TypeAdapter

from pipeline.observer import Observer
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from providers.diarizer import Diarizer, SpeakerBounds
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.jobs import Stage
from speech.options import DiarizationOptions
from storage.steps import HEARD, HEARD_IN_PART

VERSION = 2
"""Raised when the same recording and options would be diarized otherwise: by this file, or by other distances."""
_PARTS_VERSION = 1
"""Raised when the providers write their parts otherwise."""

_SHAPE = TypeAdapter(Diarization)

log = structlog.get_logger(__name__)


def diarize(
    recording: Recording, options: DiarizationOptions, diarizer: Diarizer, steps: StepStore, observer: Observer
) -> Diarization:
    """Say who speaks when, or find that said before. When that is known, voices are kept only where somebody asks to
    know them by name.

    Raises:
        InvalidAudio: when there is nothing to decode.
        ProviderError: as the diarizer does.
        JobCancelled: when the observer says so.

    """
    bounds = SpeakerBounds(options.num_speakers, options.min_speakers, options.max_speakers)
    identity = diarizer.identity()
    key = step_key(
        recording.owner_id,
        HEARD,
        VERSION,
        audio=recording.identity,
        adapter=identity,
        speakers=[bounds.exactly, bounds.least, bounds.most],
        voices=options.identify,
    )
    parts = _Parts(recording, identity, steps, observer.cancelled)
    watch = StepWatch(observer.cancelled, lambda fraction: observer.progress(Stage.DIARIZING, fraction), parts)

    def work() -> Diarization:
        found = diarizer.diarize(recording.spool(observer), bounds, watch)
        return found if options.identify else replace(found, voices=())

    found = run_step(steps, key, _SHAPE, work)
    _if_possible(lambda: steps.let_go(HEARD_IN_PART))
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of what a diarizer hears in a recording, for this job alone.

    They save work, and are worth no failure: what cannot be kept or found now is heard again.
    """

    recording: Recording
    identity: list[str]
    steps: StepStore
    cancelled: Callable[[], bool]

    def recall(self, part: str) -> bytes | None:
        """What was kept of a part."""
        return _if_possible(lambda: self.steps.recall(self._key(part)))

    def keep(self, part: str, outcome: bytes) -> None:
        """Keep it, unless nobody will go on from there."""
        if not self.cancelled():
            _if_possible(lambda: self.steps.keep(self._key(part), outcome))

    def _key(self, part: str) -> StepKey:
        """How many speakers there are changes nothing of what is heard."""
        given = {"audio": self.recording.identity, "adapter": self.identity, "own": self.steps.own, "part": part}
        return step_key(self.recording.owner_id, HEARD_IN_PART, _PARTS_VERSION, **given)


def _if_possible(work: Callable[[], bytes | None]) -> bytes | None:
    try:
        return work()
    except Exception as reason:  # noqa: BLE001 - storage that fails costs work, not the job
        log.warning("parts of a diarization cannot be kept or found now", reason=type(reason).__name__)
        return None
