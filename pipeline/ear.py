"""One aligner at one recording: asked for stretches of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audio.spool import Spool
from pipeline.observer import Observer, go_on
from pipeline.quiet import quietest
from providers.aligner import Aligner, Timing
from providers.role import StepWatch
from speech.errors import TextMismatch
from speech.jobs import Stage
from speech.transcript import Word


@dataclass(frozen=True, slots=True)
class Ear:
    """Gives word times on the recording's own time line."""

    spool: Spool
    aligner: Aligner
    observer: Observer

    def times(self, start: float, end: float, words: Sequence[str], language: str) -> tuple[Timing, ...] | None:
        """A time for each word between ``start`` and ``end``; None when the aligner cannot tell.

        Raises:
            JobCancelled: when the observer said so.
            ProviderError, ModelUnavailable: as the aligner does.

        """
        go_on(self.observer)
        if not words or not 0 < end - start <= self.aligner.longest:
            return None
        watch = StepWatch(cancelled=self.observer.cancelled)
        try:
            found = self.aligner.align(self.spool.read(start, end), words, language, watch)
        except TextMismatch:
            return None
        return tuple(replace(timing, start=timing.start + start, end=timing.end + start) for timing in found)

    def times_in_parts(
        self, start: float, end: float, words: Sequence[Word], language: str
    ) -> list[Timing | None] | None:
        """Likewise for any length: what is longer than the aligner takes is cut at the widest pause near its middle,
        by the times that the words have. Words of a part that fails have none; None when nothing can be told."""
        if end - start <= self.aligner.longest:
            found = self.times(start, end, [word.text for word in words], language)
            return None if found is None else list(found)
        middle = (start + end) / 2
        near = [at for at in range(1, len(words)) if abs(words[at].start - middle) <= (end - start) / 4]
        if not near:
            return None
        at = max(near, key=lambda at: words[at].start - words[at - 1].end)
        cut = quietest(self.spool, words[at - 1].end, words[at].start)
        left = self.times_in_parts(start, cut, words[:at], language)
        right = self.times_in_parts(cut, end, words[at:], language)
        if left is None and right is None:
            return None
        return [*(left or [None] * at), *(right or [None] * (len(words) - at))]

    def told(self, fraction: float) -> None:
        """Tell the observer how much is done."""
        self.observer.progress(Stage.ALIGNING, min(1.0, fraction))
