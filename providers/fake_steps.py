"""Providers of steps that do what can be told in advance: for tests and demonstrations, never offered by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from audio.samples import SAMPLE_RATE, Samples
from audio.spool import Spool
from providers.aligner import Aligner, Timing
from providers.context import ProviderContext
from providers.diarizer import Diarizer, SpeakerBounds, VoiceModel
from providers.punctuator import Gaps, Punctuator
from providers.role import Availability, StepCapabilities, StepWatch
from speech.diarization import Diarization, Turn, Voice, labelled
from speech.errors import InvalidAudio, JobCancelled

TURN_SECONDS = 2.0
LOCAL = StepCapabilities(local=True)


class FakeDiarizer(Diarizer):
    """Two speakers, or as many as are asked for, take turns of two seconds."""

    name: ClassVar[str] = "fake_diarizer"
    title: ClassVar[str] = "Scripted diarizer"
    version: ClassVar[str] = "1"

    def __init__(self, context: ProviderContext | None = None) -> None:
        self.diarizations = 0

    @property
    def abilities(self) -> StepCapabilities:
        """Everything."""
        return LOCAL

    def availability(self) -> Availability:
        """Always."""
        return Availability(True)

    def digest(self) -> str:
        """Never the digest of anything real."""
        return "sha256:" + "d" * 64

    def _diarize(self, spool: Spool, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
        self.diarizations += 1
        count = bounds.exactly or bounds.most or bounds.least or 2
        turns: list[Turn] = []
        while len(turns) * TURN_SECONDS < spool.duration:
            if watch.cancelled():
                raise JobCancelled("The job was cancelled while its speakers were told apart.")
            start = len(turns) * TURN_SECONDS
            turns.append(Turn(start, min(start + TURN_SECONDS, spool.duration), str(len(turns) % count)))
            watch.advanced(turns[-1].end / spool.duration)
        voices = [
            Voice(speaker, tuple(float(index == number) for index in range(count)), TURN_SECONDS)
            for number, speaker in enumerate(sorted({turn.speaker for turn in turns}))
        ]
        return labelled(turns, voices)


class FakeVoiceModel(VoiceModel):
    """A voice is how loud it is in each eighth of its spectrum: sounds of one pitch are alike, of two pitches not."""

    name: ClassVar[str] = "fake_diarizer"
    title: ClassVar[str] = "Scripted model of voices"
    version: ClassVar[str] = "1"
    bands: ClassVar[int] = 8

    def __init__(self, context: ProviderContext | None = None) -> None:
        self.embeddings = 0

    @property
    def abilities(self) -> StepCapabilities:
        """Everything."""
        return LOCAL

    def availability(self) -> Availability:
        """Always."""
        return Availability(True)

    def digest(self) -> str:
        """Never the digest of anything real."""
        return "sha256:" + "c" * 64

    def embed(self, spool: Spool, watch: StepWatch | None = None) -> tuple[float, ...]:
        """The unit vector of loudness by eighths of the spectrum."""
        self.embeddings += 1
        if (watch or StepWatch()).cancelled():
            raise JobCancelled("The job was cancelled while a voice was listened to.")
        if not spool.sample_count:
            raise InvalidAudio("There is too little speech in it.")
        loudness = np.abs(np.fft.rfft(spool.read()))
        bands = np.array([float(np.square(band).sum()) for band in np.array_split(loudness, self.bands)])
        return tuple((bands / max(float(np.linalg.norm(bands)), 1e-12)).tolist())


class FakeAligner(Aligner):
    """Words in equal parts of the audio."""

    name: ClassVar[str] = "fake_aligner"
    title: ClassVar[str] = "Scripted aligner"
    version: ClassVar[str] = "1"
    longest: ClassVar[float] = 30.0

    def __init__(self, context: ProviderContext | None = None) -> None:
        self.alignments = 0

    @property
    def abilities(self) -> StepCapabilities:
        """English and German."""
        return StepCapabilities(local=True, languages=("de", "en"))

    def availability(self) -> Availability:
        """Always."""
        return Availability(True)

    def digest(self) -> str:
        """Never the digest of anything real."""
        return "sha256:" + "a" * 64

    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]:
        self.alignments += 1
        each = samples.size / SAMPLE_RATE / len(words)
        return tuple(Timing(number * each, (number + 1) * each, 0.5) for number in range(len(words)))


class FakePunctuator(Punctuator):
    """A capital at the beginning and a full stop at the end."""

    name: ClassVar[str] = "fake_punctuator"
    title: ClassVar[str] = "Scripted punctuator"
    version: ClassVar[str] = "1"

    def __init__(self, context: ProviderContext | None = None) -> None:
        self.punctuations = 0

    @property
    def abilities(self) -> StepCapabilities:
        """English and German."""
        return StepCapabilities(local=True, languages=("de", "en"))

    def availability(self) -> Availability:
        """Always."""
        return Availability(True)

    def digest(self) -> str:
        """Never the digest of anything real."""
        return "sha256:" + "b" * 64

    def _punctuate(self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None) -> tuple[str, ...]:
        self.punctuations += 1
        written = list(words)
        written[0] = written[0][:1].upper() + written[0][1:]
        written[-1] = written[-1].rstrip(".") + "."
        return tuple(written)
