"""Word times by an aligner: of what was recognised, and of a user's own text.

Recognised segments go in windows of neighbours, as long as the aligner takes. A window that it cannot align is tried
segment by segment; what it cannot align then keeps the times that it had. Nothing is lost: every word comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from audio.spool import Spool
from pipeline.observer import Observer, go_on
from pipeline.quiet import quietest
from pipeline.recording import Recording
from pipeline.script import Stretch, check_belongs, matched, stretches, timed, unsaid
from pipeline.steps import StepStore, run_step, step_key
from providers.aligner import Aligner, Timing
from providers.role import StepWatch
from providers.unspoken import shared
from speech.errors import TextMismatch
from speech.jobs import Stage
from speech.transcript import Segment, Word, joined
from speech.wording import written_words

VERSION = 1
"""Raised when the same segments and audio would be aligned otherwise by this file."""

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
            return align_segments(self.recording.spool(self.observer), segments, self.aligner, language, self.observer)

        return run_step(self.steps, self._key("align", language, segments), _SHAPE, work)

    def script(self, text: str, heard: Sequence[Segment], language: str) -> tuple[Segment, ...]:
        """As `align_script`, or what was found before.

        Raises:
            TextMismatch: when the text does not belong to the recording.
            ProviderError, ModelUnavailable, JobCancelled: as above.

        """

        def work() -> tuple[Segment, ...]:
            return align_script(self.recording.spool(self.observer), text, heard, self.aligner, language, self.observer)

        return run_step(self.steps, self._key("script", language, heard, text=text), _SHAPE, work)

    def _key(self, step: str, language: str | None, segments: Sequence[Segment], **given: str):  # type: ignore[no-untyped-def]
        return step_key(
            self.recording.owner_id,
            step,
            VERSION,
            audio=self.recording.sha256,
            aligner=self.aligner.identity(),
            language=language,
            segments=[asdict(segment) for segment in segments],
            **given,
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
    worded = [_worded(segment) for segment in segments]
    done: list[Segment | None] = [None] * len(worded)
    for window in _windows(worded, aligner, language):
        go_on(observer)
        for index, segment in zip(
            window, _aligned_window(spool, worded, window, aligner, language, observer), strict=True
        ):
            done[index] = segment
        observer.progress(Stage.ALIGNING, (window[-1] + 1) / len(worded))
    return tuple(segment or old for segment, old in zip(done, worded, strict=True))


def align_script(
    spool: Spool, text: str, heard: Sequence[Segment], aligner: Aligner, language: str, observer: Observer
) -> tuple[Segment, ...]:
    """A user's own text with a time for each of its words; one segment for each line that holds words.

    Args:
        spool: the recording.
        text: of any length, in lines.
        heard: what a recogniser made of the whole recording.
        language: of the text; one that the aligner knows.
        aligner, observer: who works, and who watches.

    Raises:
        TextMismatch: when the text does not belong to the recording.

    """
    lines = [line for line in map(written_words, text.splitlines()) if line]
    words = [word.text for line in lines for word in line]
    known = tuple(word for segment in heard for word in _worded(segment).words)
    matches = matched(words, [word.text for word in known])
    check_belongs(words, [word.text for word in known], matches)
    silent = unsaid(words, matches, known)
    found: dict[int, Timing] = {}
    for stretch in stretches(words, matches, known, aligner.longest, spool.duration):
        go_on(observer)
        found |= _aligned_stretch(spool, words, stretch, silent, aligner, language, observer)
        observer.progress(Stage.ALIGNING, stretch.last / len(words))
    timings = iter(timed(words, matches, known, found, spool.duration))
    return tuple(
        _segment([_word(word.text, word.space_before, next(timings)) for word in line], language) for line in lines
    )


def _worded(segment: Segment) -> Segment:
    """The segment with words: its own, or its text parted, the time shared out by letters."""
    if segment.words:
        return segment
    written = written_words(segment.text)
    if not written:
        return segment
    timings = shared(segment.start, segment.end, [word.text for word in written])
    words = [_word(word.text, word.space_before, timing) for word, timing in zip(written, timings, strict=True)]
    return replace(segment, words=tuple(replace(word, speaker=segment.speaker) for word in words))


def _windows(segments: Sequence[Segment], aligner: Aligner, language: str | None) -> Iterator[list[int]]:
    """Indexes of segments that are aligned in one go: neighbours of one language and channel, not far apart."""
    window: list[int] = []
    for index, segment in enumerate(segments):
        if not segment.words or not aligner.abilities.knows(segment.language or language or ""):
            continue
        if window and not _joins(segments[window[0]], segments[window[-1]], segment, aligner.longest):
            yield window
            window = []
        window.append(index)
    if window:
        yield window


def _joins(first: Segment, last: Segment, new: Segment, longest: float) -> bool:
    alike = (last.language, last.channel) == (new.language, new.channel)
    return alike and 0 <= new.start - last.end <= _FARTHEST and new.end - first.start + 2 * _PADDING <= longest


def _aligned_window(
    spool: Spool,
    segments: Sequence[Segment],
    window: Sequence[int],
    aligner: Aligner,
    language: str | None,
    observer: Observer,
) -> list[Segment]:
    chosen = [segments[index] for index in window]
    spoken_in = chosen[0].language or language or ""
    before = segments[window[0] - 1].end if window[0] else 0.0
    after = segments[window[-1] + 1].start if window[-1] + 1 < len(segments) else spool.duration
    start, end = _bounds(spool, chosen, before, after)
    words = [word for segment in chosen for word in segment.words]
    timings = _tried(spool, start, end, words, aligner, spoken_in, observer)
    if timings is not None:
        return list(_retimed(chosen, timings))
    if len(chosen) == 1:
        return chosen
    return [
        segment
        for index in window
        for segment in _aligned_window(spool, segments, [index], aligner, language, observer)
    ]


def _bounds(spool: Spool, chosen: Sequence[Segment], before: float, after: float) -> tuple[float, float]:
    """Where the window's audio begins and ends: with some padding, but not into the neighbours' words."""
    first, last = chosen[0].start, max(segment.end for segment in chosen)
    start = max(0.0, first - _PADDING)
    end = min(spool.duration, last + _PADDING)
    if start < before <= first:
        start = quietest(spool, before, first)
    if last <= after < end:
        end = quietest(spool, last, after)
    return start, end


def _tried(
    spool: Spool,
    start: float,
    end: float,
    words: Sequence[Word],
    aligner: Aligner,
    language: str,
    observer: Observer,
) -> tuple[Timing, ...] | None:
    """Times of the words on the recording's time line; of a stretch that is too long, part by part; None: no way."""
    if end - start > aligner.longest:
        return _in_parts(spool, start, end, words, aligner, language, observer)
    try:
        found = aligner.align(
            spool.read(start, end), [word.text for word in words], language, StepWatch(cancelled=observer.cancelled)
        )
    except TextMismatch:
        return None
    return tuple(_moved(timing, start) for timing in found)


def _in_parts(
    spool: Spool,
    start: float,
    end: float,
    words: Sequence[Word],
    aligner: Aligner,
    language: str,
    observer: Observer,
) -> tuple[Timing, ...] | None:
    """Cut in two where the widest pause between two words is, by the times that they have."""
    middle = (start + end) / 2
    near = [at for at in range(1, len(words)) if abs(words[at].start - middle) <= (end - start) / 4]
    if not near:
        return None
    at = max(near, key=lambda at: words[at].start - words[at - 1].end)
    cut = quietest(spool, words[at - 1].end, words[at].start)
    halves = ((start, cut, words[:at]), (cut, end, words[at:]))
    timings: list[Timing] = []
    for begin, finish, half in halves:
        found = _tried(spool, begin, finish, half, aligner, language, observer)
        timings += found or [Timing(word.start, word.end, word.confidence) for word in half]
    return tuple(timings)


def _aligned_stretch(
    spool: Spool,
    words: Sequence[str],
    stretch: Stretch,
    silent: frozenset[int],
    aligner: Aligner,
    language: str,
    observer: Observer,
) -> Mapping[int, Timing]:
    """Times of the stretch's words that somebody said; none when the aligner cannot."""
    said = [index for index in range(stretch.first, stretch.last) if index not in silent]
    if not said or not 0 < stretch.duration <= aligner.longest:
        return {}
    start = quietest(spool, stretch.start, stretch.start)
    end = quietest(spool, stretch.end, stretch.end)
    if not 0 < end - start <= aligner.longest:
        start, end = stretch.start, stretch.end
    watch = StepWatch(cancelled=observer.cancelled)
    try:
        found = aligner.align(spool.read(start, end), [words[index] for index in said], language, watch)
    except TextMismatch:
        return {}
    return {index: _moved(timing, start) for index, timing in zip(said, found, strict=True)}


def _retimed(segments: Sequence[Segment], timings: Sequence[Timing]) -> Iterator[Segment]:
    at = 0
    for segment in segments:
        words = tuple(
            replace(
                word,
                start=timing.start,
                end=timing.end,
                confidence=word.confidence if timing.confidence is None else timing.confidence,
            )
            for word, timing in zip(segment.words, timings[at : at + len(segment.words)], strict=True)
        )
        at += len(words)
        yield replace(segment, start=words[0].start, end=words[-1].end, words=words)


def _moved(timing: Timing, by: float) -> Timing:
    return replace(timing, start=timing.start + by, end=timing.end + by)


def _word(text: str, space_before: bool, timing: Timing) -> Word:
    return Word(round(timing.start, 3), round(timing.end, 3), text, space_before, timing.confidence)


def _segment(words: Sequence[Word], language: str) -> Segment:
    return Segment(words[0].start, words[-1].end, joined(words), tuple(words), language)
