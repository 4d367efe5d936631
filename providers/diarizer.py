"""Who can say who spoke when."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from audio.spool import Spool
from providers.role import StepProvider, StepWatch
from speech.diarization import Diarization


@dataclass(frozen=True, slots=True)
class SpeakerBounds:
    """How many speakers there are, as far as the request knows; None: found out."""

    exactly: int | None = None
    least: int | None = None
    most: int | None = None


class Diarizer(StepProvider):
    """A whole recording in, turns out, on the recording's own time line."""

    def diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch | None = None) -> Diarization:
        """Say who speaks when; nobody speaks in a recording without speech.

        Memory is bounded whatever the recording's length. Each call of a network takes its turn on the device.

        Raises:
            ProviderError: translated from the library's own errors.
            JobCancelled: when ``watch.cancelled`` said so.

        """
        return self._diarize(spool, bounds, watch or StepWatch())

    @abstractmethod
    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization: ...


class VoiceModel(StepProvider):
    """What turns a stretch of one voice into a vector that is like those of the same voice."""

    @abstractmethod
    def embed(self, spool: Spool, watch: StepWatch | None = None) -> tuple[float, ...]:
        """The unit vector of the one voice in a recording.

        Raises:
            InvalidAudio: when there is too little speech in it.
            JobCancelled: when ``watch.cancelled`` said so.

        """
