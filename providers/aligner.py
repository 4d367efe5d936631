"""Who can say when each word of a known text was spoken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from audio.samples import SAMPLE_RATE, Samples
from providers.role import StepProvider, StepWatch


@dataclass(frozen=True, slots=True)
class Timing:
    """When a word is spoken, in seconds from the start of the samples; ``confidence`` in [0, 1] or None."""

    start: float
    end: float
    confidence: float | None = None


class Aligner(StepProvider):
    """Audio and its words in, a time for each word out."""

    longest: ClassVar[float]
    """Seconds of audio that one call takes at most; who has more cuts it."""

    def align(
        self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch | None = None
    ) -> tuple[Timing, ...]:
        """One timing for each word, in order, inside of the audio, none beginning before the one before it ends.

        Args:
            samples: mono float32 at 16 kHz, at most ``longest`` seconds.
            words: as written, with capitals, digits and marks; at least one.
            language: ISO 639 code; one of ``abilities.languages``.
            watch: asked between calls of a network.

        Raises:
            TextMismatch: when the words cannot be what is spoken.
            ProviderError: translated from the library's own errors.
            JobCancelled: when ``watch.cancelled`` said so.

        """
        found = self._align(samples, words, language, watch or StepWatch())
        if len(found) != len(words):
            raise ValueError(f"{self.name} gave {len(found)} timings for {len(words)} words.")
        return monotonic(found, samples.size / SAMPLE_RATE)

    @abstractmethod
    def _align(self, samples: Samples, words: Sequence[str], language: str, watch: StepWatch) -> tuple[Timing, ...]: ...


def monotonic(found: Sequence[Timing], duration: float) -> tuple[Timing, ...]:
    """The timings, each inside the audio and none before the end of the one before it."""
    kept: list[Timing] = []
    floor = 0.0
    for timing in found:
        start = min(max(timing.start, floor), duration)
        end = min(max(timing.end, start), duration)
        kept.append(Timing(float(start), float(end), timing.confidence))
        floor = end
    return tuple(kept)
