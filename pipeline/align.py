"""Word times by an aligner, of what was recognised.

Segments go in windows of neighbours, as long as the aligner takes. A window that it cannot align is tried segment by
segment; what it cannot align then keeps the times that it had. Nothing is lost: every word comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from audio.spool import Spool
from pipeline.align_script import align_script
from pipeline.ear import Ear
from pipeline.observer import Observer
from pipeline.quiet import quietest
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from pipeline.worded import worded
from providers.aligner import Aligner, Timing
from speech.transcript import Segment

VERSION = 1
"""Raised when the same segments and audio would be aligned otherwise by the pipeline."""

_SHAPE = TypeAdapter(tuple[Segment, ...])
_PADDING = 0.3
"""Seconds of audio around a window: a recogniser's times are not exact."""
_FARTHEST = 1.0
"""Seconds between two segments beyond which they do not share a window."""


@dataclass(frozen=True, slots=True)
class Aligning:
    """A recording whose words get their times; ``steps`` has what was aligned before."""

    recording: Recording
    aligner: Aligner
    steps: StepStore
    observer: Observer

    def segments(self, segments: Sequence[Segment], language: str | None) -> tuple[Segment, ...]:
        """As `align_segments`, or what was found before.

        Raises:
            ProviderError, ModelUnavailable: as the aligner does.
            JobCancelled: between two windows, when the observer says so.

        """

        def work() -> tuple[Segment, ...]:
            apart = {segment.channel: None for segment in segments}
            return tuple(aligned for channel in apart for aligned in self._channel(channel, segments, language))

        return run_step(self.steps, self._key("align", language, segments), _SHAPE, work)

    def _channel(self, channel: int | None, segments: Sequence[Segment], language: str | None) -> tuple[Segment, ...]:
        """What was recognised in one channel, aligned with the sound of that channel."""
        spool = self.recording.spool(self.observer, channel)
        own = [segment for segment in segments if segment.channel == channel]
        return align_segments(spool, own, self.aligner, language, self.observer)

    def script(self, text: str, heard: Sequence[Segment], language: str) -> tuple[Segment, ...]:
        """As `align_script`, or what was found before.

        Raises:
            TextMismatch: when the text does not belong to the recording.
            ProviderError, ModelUnavailable, JobCancelled: as above.

        """

        def work() -> tuple[Segment, ...]:
            spool = self.recording.spool(self.observer)
            return align_script(spool, text, heard, self.aligner, language, self.observer)

        return run_step(self.steps, self._key("script", language, heard, text=text), _SHAPE, work)

    def _key(self, step: str, language: str | None, segments: Sequence[Segment], text: str | None = None) -> StepKey:
        return step_key(
            self.recording.owner_id,
            step,
            VERSION,
            audio=self.recording.identity,
            aligner=self.aligner.identity(),
            language=language,
            segments=[asdict(segment) for segment in segments],
            text=text,
        )


def align_segments(
    spool: Spool, segments: Sequence[Segment], aligner: Aligner, language: str | None, observer: Observer
) -> tuple[Segment, ...]:
    """The segments with the times and confidences that the aligner gives their words.

    A segment without words gets some, parted as `written_words` does. Segments in a language that the aligner does
    not know, or that it cannot align, keep the times they have; words that have none share their segment's.

    Args:
        spool: the recording.
        segments: in order of time; those of several channels or speakers may overlap.
        language: of segments that say none.
        aligner, observer: who works, and who watches.

    """
    old = [worded(segment) for segment in segments]
    done: list[Segment | None] = [None] * len(old)
    windows = _Windows(Ear(spool, aligner, observer), old, language)
    for window in windows.all():
        for index, segment in zip(window, windows.aligned(window), strict=True):
            done[index] = segment
        windows.ear.told((window[-1] + 1) / len(old))
    return tuple(new or before for new, before in zip(done, old, strict=True))


@dataclass(frozen=True, slots=True)
class _Windows:
    """Segments, all with words, cut into windows: the indexes of neighbours that are aligned in one go."""

    ear: Ear
    segments: Sequence[Segment]
    language: str | None

    def all(self) -> Iterator[list[int]]:
        """The windows in order; what the aligner does not know is in none."""
        window: list[int] = []
        for index, segment in enumerate(self.segments):
            if not segment.words or not self.ear.aligner.abilities.knows(self._language(segment)):
                # Whatever it is, it parts its neighbours: its sound is not theirs.
                if window:
                    yield window
                    window = []
                continue
            if window and not self._joins(window, segment):
                yield window
                window = []
            window.append(index)
        if window:
            yield window

    def aligned(self, window: Sequence[int]) -> list[Segment]:
        """The segments of a window with new times, or where there is no way, as they were."""
        chosen = [self.segments[index] for index in window]
        words = [word for segment in chosen for word in segment.words]
        timings = self.ear.times_in_parts(*self._bounds(window), words, self._language(chosen[0]))
        if timings is not None:
            return list(_retimed(chosen, timings))
        return chosen if len(window) == 1 else [segment for index in window for segment in self.aligned([index])]

    def _language(self, segment: Segment) -> str:
        return segment.language or self.language or ""

    def _joins(self, window: Sequence[int], new: Segment) -> bool:
        first, last = self.segments[window[0]], self.segments[window[-1]]
        alike = (self._language(last), last.channel) == (self._language(new), new.channel)
        near = 0 <= new.start - last.end <= _FARTHEST
        return alike and near and new.end - first.start + 2 * _PADDING <= self.ear.aligner.longest

    def _bounds(self, window: Sequence[int]) -> tuple[float, float]:
        """Where the window's audio begins and ends: with some padding, but not into the neighbours' words."""
        spool = self.ear.spool
        first, last = self.segments[window[0]].start, max(self.segments[index].end for index in window)
        before = self.segments[window[0] - 1].end if window[0] else 0.0
        after = self.segments[window[-1] + 1].start if window[-1] + 1 < len(self.segments) else spool.duration
        start, end = max(0.0, first - _PADDING), min(spool.duration, last + _PADDING)
        if start < before <= first:
            start = quietest(spool, before, first)
        if last <= after < end:
            end = quietest(spool, last, after)
        return start, end


def _retimed(segments: Sequence[Segment], timings: Sequence[Timing]) -> Iterator[Segment]:
    left = iter(timings)
    for segment in segments:
        words = tuple(
            replace(
                word,
                start=round(timing.start, 3),
                end=round(timing.end, 3),
                confidence=word.confidence if timing.confidence is None else timing.confidence,
            )
            for word, timing in zip(segment.words, left, strict=False)
        )
        yield replace(segment, start=words[0].start, end=words[-1].end, words=words)
