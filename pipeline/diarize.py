"""Who speaks when in a recording, told by a diarizer and kept.

While a long recording is under way, what was heard in each of its parts is kept too: whoever takes up an interrupted
job hears the rest. Those parts hold vectors of voices, so they go as soon as the whole is known, and with the speakers
and jobs whose deletion takes the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from pipeline.observer import Observer
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from providers.diarizer import Diarizer, SpeakerBounds
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.jobs import Stage
from speech.options import DiarizationOptions
from storage.speakers import HEARD

VERSION = 2
"""Raised when the same recording and options would be diarized otherwise: by this file, or by other distances."""
_PARTS_VERSION = 1
"""Raised when the providers write their parts otherwise."""

_SHAPE = TypeAdapter(Diarization)


def diarize(
    recording: Recording, options: DiarizationOptions, diarizer: Diarizer, steps: StepStore, observer: Observer
) -> Diarization:
    """Say who speaks when, or find that said before. Voices are kept only where somebody asks to know them by name.

    Raises:
        InvalidAudio: when there is nothing to decode.
        ProviderError: as the diarizer does.
        JobCancelled: when the observer says so.

    """
    bounds = SpeakerBounds(options.num_speakers, options.min_speakers, options.max_speakers)
    key = step_key(
        recording.owner_id,
        HEARD,
        VERSION,
        audio=recording.identity,
        adapter=diarizer.identity(),
        speakers=[bounds.exactly, bounds.least, bounds.most],
        voices=options.identify,
    )
    parts = _Parts(steps, _key_of_parts(recording, diarizer))
    watch = StepWatch(observer.cancelled, lambda fraction: observer.progress(Stage.DIARIZING, fraction), parts)

    def work() -> Diarization:
        found = diarizer.diarize(recording.spool(observer), bounds, watch)
        return found if options.identify else replace(found, voices=())

    found = run_step(steps, key, _SHAPE, work)
    parts.forget()
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a recording's voices, as steps of their own as long as the whole is not known."""

    steps: StepStore
    key: Callable[[str], StepKey]
    used: set[StepKey] = field(default_factory=set)

    def recall(self, part: str) -> bytes | None:
        self.used.add(self.key(part))
        return self.steps.recall(self.key(part))

    def keep(self, part: str, outcome: bytes) -> None:
        self.used.add(self.key(part))
        self.steps.keep(self.key(part), outcome)

    def forget(self) -> None:
        for key in self.used:
            self.steps.forget(key)


def _key_of_parts(recording: Recording, diarizer: Diarizer) -> Callable[[str], StepKey]:
    """The key of a part: how many speakers there are changes nothing of what is heard."""
    identity = diarizer.identity()

    def key(part: str) -> StepKey:
        given = {"audio": recording.identity, "adapter": identity, "part": part}
        return step_key(recording.owner_id, HEARD, _PARTS_VERSION, parts=given)

    return key
