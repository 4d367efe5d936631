"""Word times of a user's own text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from audio.spool import Spool
from pipeline.ear import Ear
from pipeline.observer import Observer
from pipeline.quiet import quietest
from pipeline.script import Stretch, check_belongs, matched, stretches, timed, unsaid
from pipeline.worded import timed_word, worded
from providers.aligner import Aligner, Timing
from speech.errors import TextMismatch
from speech.transcript import Segment, Word, joined
from speech.wording import Written, written_words


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
        TextMismatch: when the text does not belong to the recording, or holds no word.

    """
    lines = [line for line in map(written_words, text.splitlines()) if line]
    if not lines:
        raise TextMismatch("The text holds no words.")
    known = tuple(word for segment in heard for word in worded(segment).words)
    timings = _timings([word.text for line in lines for word in line], known, Ear(spool, aligner, observer), language)
    return tuple(_segments(lines, timings, language))


def _timings(words: Sequence[str], heard: Sequence[Word], ear: Ear, language: str) -> Sequence[Timing]:
    matches = matched(words, [word.text for word in heard])
    check_belongs(words, [word.text for word in heard], matches)
    silent = unsaid(words, matches, heard, ear.spool.duration)
    found: dict[int, Timing] = {}
    for stretch in stretches(words, matches, heard, ear.aligner.longest, ear.spool.duration):
        found |= _aligned(ear, words, stretch, silent, language)
        ear.told(stretch.last / len(words))
    return timed(words, matches, heard, found, ear.spool.duration)


def _aligned(
    ear: Ear, words: Sequence[str], stretch: Stretch, silent: frozenset[int], language: str
) -> Mapping[int, Timing]:
    """Times of the stretch's words that somebody said; none when the aligner cannot tell."""
    said = [index for index in range(stretch.first, stretch.last) if index not in silent]
    start, end = (quietest(ear.spool, position, position) for position in (stretch.start, stretch.end))
    if not 0 < end - start <= ear.aligner.longest:
        start, end = stretch.start, stretch.end
    found = ear.times(start, end, [words[index] for index in said], language)
    return dict(zip(said, found or (), strict=False))


def _segments(lines: Sequence[Sequence[Written]], timings: Sequence[Timing], language: str) -> Iterator[Segment]:
    left = iter(timings)
    for line in lines:
        words = tuple(
            timed_word(word.text, word.space_before, timing) for word, timing in zip(line, left, strict=False)
        )
        yield Segment(words[0].start, words[-1].end, joined(words), words, language)
