"""Who speaks when in a recording, told by a diarizer and kept."""

from __future__ import annotations

from dataclasses import replace

from pydantic import TypeAdapter

from pipeline.observer import Observer
from pipeline.recording import Recording
from pipeline.steps import StepStore, run_step, step_key
from providers.diarizer import Diarizer, SpeakerBounds
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.jobs import Stage
from speech.options import DiarizationOptions

VERSION = 2
"""Raised when the same recording and options would be diarized otherwise: by this file, or by other distances."""

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
        "diarize",
        VERSION,
        audio=recording.identity,
        adapter=diarizer.identity(),
        speakers=[bounds.exactly, bounds.least, bounds.most],
        voices=options.identify,
    )
    watch = StepWatch(observer.cancelled, lambda fraction: observer.progress(Stage.DIARIZING, fraction))

    def work() -> Diarization:
        found = diarizer.diarize(recording.spool(observer), bounds, watch)
        return found if options.identify else replace(found, voices=())

    return run_step(steps, key, _SHAPE, work)
