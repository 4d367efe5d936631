"""What came of an alignment: segments, and how many of their words it placed."""

from __future__ import annotations

from dataclasses import dataclass

from speech.transcript import Segment


@dataclass(frozen=True, slots=True)
class Aligned:
    """Segments with their times; ``unplaced`` of the ``words`` have them from elsewhere than the aligner."""

    segments: tuple[Segment, ...] = ()
    words: int = 0
    unplaced: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where not every word was placed."""
        if not self.unplaced:
            return ()
        return (
            f"{self.unplaced} of {self.words} words keep the times of the recogniser, or a share of the time around "
            "them: the aligner does not know their language, or did not find them in the sound.",
        )
