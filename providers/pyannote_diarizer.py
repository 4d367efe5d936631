"""Who speaks when, by pyannote.audio on this machine.

A recording gives what pyannote's own pipeline gives with the same weights. What is added: memory is bounded whatever
its length, every call of a network takes its turn on the device, a cancelled job stops between calls, and bounds of
the number of speakers are kept.

The file is not named after the package, which it would hide from the tools that look for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as version_of
from typing import Any, ClassVar

from audio.spool import Spool
from providers.context import ProviderContext
from providers.diarizer import Diarizer, SpeakerBounds, VoiceModel
from providers.pyannote_errors import NAME, translated
from providers.pyannote_loading import load
from providers.pyannote_weights import WeightChoice
from providers.role import Availability, StepCapabilities, StepWatch
from speech.diarization import Diarization
from speech.errors import JobCancelled


class PyannoteDiarizer(Diarizer, VoiceModel):
    """Any language, any number of speakers, overlaps; and the vectors of voices."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "pyannote.audio"
    version: ClassVar[str] = "1"

    def __init__(self, context: ProviderContext) -> None:
        self._engine = context.engine
        self._weights = WeightChoice(context)

    @property
    def abilities(self) -> StepCapabilities:
        """Every language: it hears voices, not words."""
        return StepCapabilities(local=True)

    def availability(self) -> Availability:
        """Whether the packages are installed and the weights are here or can be had."""
        device = self._engine.device
        if not device.usable:
            return Availability(False, device.problem, "Mend the CUDA installation, or set WOA_DEVICE=cpu.")
        return self._weights.availability()

    def digest(self) -> str:
        """``sha256:...`` over the files of the networks; fetches them when they are not on disk yet."""
        return self._weights.fetch().digest

    def engine_version(self) -> str:
        """The libraries, and where they compute."""
        libraries = (f"{name} {version_of(name).partition('+')[0]}" for name in ("pyannote.audio", "torch"))
        return f"{', '.join(libraries)}, {self._engine.device.kind}"

    def embed(self, spool: Spool, watch: StepWatch | None = None) -> tuple[float, ...]:
        """The unit vector of the one voice in a recording, to be compared by cosine with `Diarization.voices`."""
        heard = watch or StepWatch()
        with self._pipeline(heard) as pipeline:
            from providers.voice_vector import vector_of_voice

            return vector_of_voice(spool, pipeline, heard)

    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        if not spool.sample_count:
            return Diarization()
        with self._pipeline(watch):  # loaded: what follows imports torch and the library
            from providers.pyannote_turns import tell_apart

        return tell_apart(spool, lambda: self._pipeline(watch), bounds, watch)

    @contextmanager
    def _pipeline(self, watch: StepWatch) -> Iterator[Any]:
        """The pipeline for one job; its networks stay in memory as long as it is used."""
        engine, weights = self._engine, self._weights.fetch()
        key = (self.name, weights.digest, engine.device.kind)
        with (
            engine.pool.borrow(
                key, lambda: load(weights, engine.device), weights.memory_bytes, cancelled=watch.cancelled
            ) as networks,
            translated(),
        ):
            from providers.pyannote_pipeline import pipeline_for_one_job

            yield pipeline_for_one_job(networks, lambda: self._turn(watch))

    @contextmanager
    def _turn(self, watch: StepWatch) -> Iterator[None]:
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while its speakers were told apart.")
        with self._engine.slot(watch.cancelled):
            yield
