"""Word times of a user's own text.

The text goes to the aligner in stretches, cut by what a recogniser heard. A stretch that it refuses is cut in two, and
the halves are tried, down to where nothing can be cut: what is wrong, or longer than a model can read at once, spoils
no more than it must. What is never placed is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audio.spool import Spool
from pipeline.aligned import Aligned
from pipeline.ear import Ear
from pipeline.observer import Observer
from pipeline.quiet import quietest
from pipeline.script import Stretch, check_belongs, matched, stretches, timed, unsaid
from pipeline.worded import timed_word, worded
from providers.aligner import Aligner, Timing
from providers.unspoken import spoken
from speech.errors import TextMismatch
from speech.transcript import Segment, joined
from speech.wording import Written, written_words


def align_script(
    spool: Spool, text: str, heard: Sequence[Segment], aligner: Aligner, language: str, observer: Observer
) -> Aligned:
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
    words = [word.text for line in lines for word in line]
    known = tuple(word for segment in heard for word in worded(segment).words)
    matches = matched(words, [word.text for word in known])
    check_belongs(words, [word.text for word in known], matches)
    silent = unsaid(words, matches, known, spool.duration)
    reading = _Reading(Ear(spool, aligner, observer), words, silent, language)
    placed = reading.placed(stretches(words, matches, known, aligner.longest, spool.duration))
    timings = timed(words, matches, known, placed, spool.duration)
    lost = sum(index not in placed and spoken(word) for index, word in enumerate(words))
    return Aligned(tuple(_segments(lines, timings, language)), len(words), lost)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text, of which nobody said the ``silent`` words, beside the recording of it."""

    ear: Ear
    words: Sequence[str]
    silent: frozenset[int]
    language: str

    def placed(self, whole: Sequence[Stretch]) -> dict[int, Timing]:
        """Times of the words that the aligner finds, by their index."""
        found: dict[int, Timing] = {}
        for stretch in whole:
            found |= self._aligned(stretch)
            self.ear.told(stretch.last / len(self.words))
        return found

    def _aligned(self, stretch: Stretch) -> dict[int, Timing]:
        said = [index for index in range(stretch.first, stretch.last) if index not in self.silent]
        if not said:
            return {}
        found = self.ear.times(*self._bounds(stretch), [self.words[index] for index in said], self.language)
        if found is not None:
            return dict(zip(said, found, strict=True))
        return {index: timing for half in stretch.halves() for index, timing in self._aligned(half).items()}

    def _bounds(self, stretch: Stretch) -> tuple[float, float]:
        start, end = (quietest(self.ear.spool, position, position) for position in (stretch.start, stretch.end))
        return (start, end) if 0 < end - start <= self.ear.aligner.longest else (stretch.start, stretch.end)


def _segments(lines: Sequence[Sequence[Written]], timings: Sequence[Timing], language: str) -> Iterator[Segment]:
    left = iter(timings)
    for line in lines:
        words = tuple(
            timed_word(word.text, word.space_before, timing) for word, timing in zip(line, left, strict=False)
        )
        yield Segment(words[0].start, words[-1].end, joined(words), words, language)
