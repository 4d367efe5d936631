"""Words that nobody speaks, such as dashes and emoji, and times for words that have none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from providers.aligner import Timing

_SPOKEN_SIGNS = frozenset("$€£¥₹₩%‰&+=@#°§½¼¾")


def spoken(word: str) -> bool:
    """Whether somebody who reads the word aloud makes a sound: it holds a letter, a digit or a sign with a name."""
    return any(sign.isalnum() or sign in _SPOKEN_SIGNS for sign in word)


def filled(found: Sequence[Timing | None], words: Sequence[str], duration: float) -> tuple[Timing, ...]:
    """The timings, and for each word without one its share of the time between its neighbours.

    Neighbours without a time share what lies between those that have one by their letters; the ends of the audio
    bound what has no neighbour. The confidence of such a word is None.
    """
    kept: list[Timing] = []
    index = 0
    while index < len(found):
        known = found[index]
        if known is not None:
            kept.append(known)
            index += 1
            continue
        last = next((place for place in range(index, len(found)) if found[place] is not None), len(found))
        following = found[last] if last < len(found) else None
        start = kept[-1].end if kept else 0.0
        kept += shared(start, max(start, following.start if following else duration), words[index:last])
        index = last
    return tuple(kept)


def shared(start: float, end: float, words: Sequence[str]) -> list[Timing]:
    """The time from ``start`` to ``end`` shared out among words by their letters."""
    letters = [max(1, sum(sign.isalnum() for sign in word)) for word in words]
    each = (end - start) / sum(letters)
    borders = [start + done * each for done in accumulate(letters, initial=0)]
    borders[-1] = end  # whatever the sum was rounded to
    return [Timing(*both) for both in pairwise(borders)]
