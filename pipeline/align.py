"""Word times by an aligner, of what was recognised.

Segments go in windows of neighbours, as long as the aligner takes. A window that it cannot align is tried segment by
segment; what it cannot align then keeps the times that it had. Nothing is lost: every word comes back. Long
recordings are kept block by block: whoever takes up an interrupted job aligns the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice

from pydantic import TypeAdapter

from audio.spool import Spool
from pipeline.align_script import align_script
from pipeline.aligned import Aligned
from pipeline.ear import Ear
from pipeline.observer import Observer, Share
from pipeline.quiet import quietest
from pipeline.recording import Recording
from pipeline.steps import StepKey, StepStore, run_step, step_key
from pipeline.worded import worded
from providers.aligner import Aligner, Timing
from speech.jobs import Stage
from speech.transcript import Segment, Word

VERSION = 3
"""Raised when the same segments and audio would be aligned otherwise by the pipeline."""

_PADDING = 0.3
"""Seconds of audio around a window: a recogniser's times are not exact."""
_FARTHEST = 1.0
"""Seconds between two segments beyond which they do not share a window."""
_BLOCK = 600.0
"""Seconds of segments that are kept as one step."""

_SHAPE = TypeAdapter(Aligned)


@dataclass(frozen=True, slots=True)
class Aligning:
    """A recording whose words get their times; ``steps`` has what was aligned before."""

    recording: Recording
    aligner: Aligner
    steps: StepStore
    observer: Observer

    def segments(self, segments: Sequence[Segment], language: str | None) -> Aligned:
        """As `align_segments`, or what was found before.

        Raises:
            ProviderError, ModelUnavailable: as the aligner does.
            JobCancelled: between two windows, when the observer says so.

        """
        parts = [(own, block) for own in _apart(segments) for block in _blocks(own)]
        done: list[Aligned] = []
        before = 0
        for own, block in parts:
            share = Share(self.observer, before, len(block), len(segments))
            done.append(self._block(own, block, language, share))
            before += len(block)
            # A block that was kept tells nothing of itself.
            self.observer.progress(Stage.ALIGNING, before / len(segments))
        return Aligned(
            tuple(segment for aligned in done for segment in aligned.segments),
            sum(aligned.words for aligned in done),
            sum(aligned.unplaced for aligned in done),
        )

    def _block(self, own: Sequence[Segment], block: range, language: str | None, observer: Observer) -> Aligned:
        """A block of what was recognised in one channel, aligned with the sound of that channel."""

        def work() -> Aligned:
            spool = self.recording.spool(self.observer, own[block.start].channel)
            return align_segments(spool, own, self.aligner, language, observer, block)

        # The neighbours of a block bound its outermost windows.
        near = own[max(block.start - 1, 0) : block.stop + 1]
        first = min(block.start, 1)
        return run_step(self.steps, self._key("align", language, near, first=first, count=len(block)), _SHAPE, work)

    def script(self, text: str, heard: Sequence[Segment], language: str) -> Aligned:
        """As `align_script`, or what was found before.

        Raises:
            TextMismatch: when the text does not belong to the recording.
            ProviderError, ModelUnavailable, JobCancelled: as above.

        """

        def work() -> Aligned:
            spool = self.recording.spool(self.observer)
            return align_script(spool, text, heard, self.aligner, language, self.observer)

        return run_step(self.steps, self._key("script", language, heard, text=text), _SHAPE, work)

    def _key(self, step: str, language: str | None, segments: Sequence[Segment], **more: str | int) -> StepKey:
        return step_key(
            self.recording.owner_id,
            step,
            VERSION,
            audio=self.recording.identity,
            aligner=self.aligner.identity(),
            language=language,
            segments=[asdict(segment) for segment in segments],
            **more,
        )


def align_segments(
    spool: Spool,
    segments: Sequence[Segment],
    aligner: Aligner,
    language: str | None,
    observer: Observer,
    block: range | None = None,
) -> Aligned:
    """The segments with the times and confidences that the aligner gives their words.

    A segment without words gets some, parted as `written_words` does. Segments in a language that the aligner does
    not know, or that it cannot align, keep the times they have; words that have none share their segment's.

    Args:
        spool: the recording.
        segments: in order of time; those of several channels or speakers may overlap.
        language: of segments that say none.
        aligner, observer: who works, and who watches.
        block: the indexes of those that are wanted; all, unless given.

    """
    old = [worded(segment) for segment in segments]
    wanted = range(len(old)) if block is None else block
    done: dict[int, _Retimed] = {}
    windows = _Windows(Ear(spool, aligner, observer), old, language)
    for window in windows.of(wanted):
        done |= windows.aligned(window)
        windows.ear.told((window[-1] + 1 - wanted.start) / len(wanted))
    words = sum(len(old[index].words) for index in wanted)
    placed = sum(retimed.placed for retimed in done.values())
    found = tuple(done[index].segment if index in done else old[index] for index in wanted)
    return Aligned(found, words, words - placed)


def _apart(segments: Sequence[Segment]) -> list[list[Segment]]:
    """What was recognised in each channel."""
    channels = {segment.channel: None for segment in segments}
    return [[segment for segment in segments if segment.channel == channel] for channel in channels]


def _blocks(segments: Sequence[Segment]) -> Iterator[range]:
    """The segments' indexes, in blocks of about ten minutes."""
    first = 0
    for index, segment in enumerate(segments):
        if segment.end - segments[first].start > _BLOCK and index > first:
            yield range(first, index)
            first = index
    if segments:
        yield range(first, len(segments))


@dataclass(frozen=True, slots=True)
class _Retimed:
    """A segment, and how many of its words the aligner has placed."""

    segment: Segment
    placed: int


@dataclass(frozen=True, slots=True)
class _Windows:
    """Segments, all with words, cut into windows: the indexes of neighbours that are aligned in one go."""

    ear: Ear
    segments: Sequence[Segment]
    language: str | None

    def of(self, wanted: range) -> Iterator[list[int]]:
        """The windows of those indexes, in order; what the aligner does not know is in none."""
        window: list[int] = []
        for index in wanted:
            segment = self.segments[index]
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

    def aligned(self, window: Sequence[int]) -> dict[int, _Retimed]:
        """The segments of a window, by index, with new times as far as there is a way."""
        chosen = [self.segments[index] for index in window]
        words = [word for segment in chosen for word in segment.words]
        timings = self.ear.times_in_parts(*self._bounds(window), words, self._language(chosen[0]))
        done = dict(zip(window, _retimed(chosen, timings or [None] * len(words)), strict=True))
        if len(window) > 1:
            for index in window:
                if done[index].placed < len(done[index].segment.words):
                    done[index] = max(done[index], self.aligned([index])[index], key=lambda each: each.placed)
        return done

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


def _retimed(segments: Sequence[Segment], timings: Sequence[Timing | None]) -> Iterator[_Retimed]:
    """The segments, their words in turn with these times; a word without one keeps what it has."""
    left = iter(timings)
    for segment in segments:
        own = list(islice(left, len(segment.words)))
        placed = sum(timing is not None for timing in own)
        words = tuple(_placed(word, timing) for word, timing in zip(segment.words, own, strict=True))
        new = replace(segment, start=words[0].start, end=words[-1].end, words=words) if placed else segment
        yield _Retimed(new, placed)


def _placed(word: Word, timing: Timing | None) -> Word:
    if timing is None:
        return word
    confidence = word.confidence if timing.confidence is None else timing.confidence
    return replace(word, start=round(timing.start, 3), end=round(timing.end, 3), confidence=confidence)
