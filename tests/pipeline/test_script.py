"""A user's text beside what was heard."""

from __future__ import annotations

import random
import time
import tracemalloc
from itertools import pairwise

import pytest

from pipeline.script import check_belongs, matched, stretches, timed, unsaid
from providers.aligner import Timing
from speech.errors import TextMismatch
from speech.transcript import Word

LINE = [
    "It",
    "was",
    "a",
    "bright",
    "cold",
    "day",
    "in",
    "April",
    "and",
    "the",
    "clocks",
    "were",
    "striking",
    "thirteen",
]


def _said(words: list[str], each: float = 0.4, start: float = 1.0) -> list[Word]:
    return [Word(start + index * each, start + (index + 0.75) * each, word) for index, word in enumerate(words)]


def test_words_match_whatever_their_capitals_and_marks() -> None:
    heard = ["It", "was", "a", "BRIGHT,", "old", "day", "in", "april!", "clocks"]
    script = ["“It", "was", "a", "bright", "cold", "day", "-", "in", "April"]
    assert matched(script, heard) == [0, 1, 2, 3, None, 5, None, 6, 7]


def test_scripts_without_spaces_match_by_characters_however_they_were_parted() -> None:
    assert matched(["今", "日", "は、", "世", "界。"], ["今日", "は", "世界"]) == [0, 0, 1, 2, 2]
    assert matched(["今日は"], ["今", "日", "は"]) == [0]


def test_the_right_text_belongs_also_with_errors_and_in_part() -> None:
    wrong = [word if index % 5 else "banana" for index, word in enumerate(LINE)]
    longer = ["So", "he", "said", *LINE, "which", "surprised", "all"]
    for script, heard in (
        (LINE, LINE),
        (LINE, wrong),
        (wrong, LINE),
        (LINE, longer),
        (longer, LINE),
        (["Yes."], ["yes"]),
    ):
        check_belongs(script, heard, matched(script, heard))


def test_another_text_does_not_belong() -> None:
    other = [
        "The",
        "sky",
        "above",
        "the",
        "port",
        "was",
        "the",
        "color",
        "of",
        "television",
        "tuned",
        "to",
        "a",
        "dead",
        "channel",
    ]
    foreign = ["Вчера", "вечером", "мы", "долго", "сидели", "около", "окна", "и", "пили", "чай"]
    for script, heard in ((other, LINE), (foreign, LINE), (LINE, []), (LINE, ["-"]), (["Yes"], ["no"])):
        with pytest.raises(TextMismatch) as refused:
            check_belongs(script, heard, matched(script, heard))
        assert not any(word in str(refused.value) for word in ("television", "clocks"))


def test_common_words_far_apart_in_a_long_recording_prove_nothing() -> None:
    dice = random.Random(1)
    heard = [dice.choice(["the", "and", "of", "x", "y", "z", "v", "w"]) for _ in range(5000)]
    script = ["the", "sky", "and", "port", "of", "color", "the", "tuned"]
    with pytest.raises(TextMismatch):
        check_belongs(script, heard, matched(script, heard))


def test_stretches_hold_all_words_and_are_cut_at_pauses() -> None:
    words = LINE * 10
    heard = _said(words)
    for index in range(30, len(heard), 30):  # a pause before each thirtieth word
        heard[index:] = [Word(word.start + 1.0, word.end + 1.0, word.text) for word in heard[index:]]
    found = stretches(words, matched(words, words), heard, 20.0, heard[-1].end + 2)
    assert (found[0].first, found[-1].last) == (0, len(words))
    assert all(before.last == after.first for before, after in pairwise(found))
    assert all(stretch.duration <= 20 for stretch in found)
    assert all(stretch.first % 30 == 0 for stretch in found)
    for stretch in found:
        assert stretch.start <= heard[stretch.first].start
        assert stretch.end >= heard[stretch.last - 1].end


def test_what_was_said_beside_the_text_is_in_no_stretch() -> None:
    aside = ["by", "the", "way", "this", "is", "not", "there"] * 4
    spoken = [*LINE, *aside, *LINE]
    heard = _said(spoken)
    script = [*LINE, *LINE]
    found = stretches(script, matched(script, spoken), heard, 10.0, heard[-1].end)
    assert [(one.first, one.last) for one in found] == [(0, len(LINE)), (len(LINE), 2 * len(LINE))]
    assert found[0].end <= heard[len(LINE) - 1].end + 0.7
    assert found[1].start >= heard[len(LINE) + len(aside)].start - 0.7


def test_words_that_nobody_said_are_known_and_lie_between_their_neighbours() -> None:
    script = [*LINE[:6], "absolutely", "without", "any", "doubt", *LINE[6:]]
    heard = _said(LINE)
    matches = matched(script, LINE)
    assert unsaid(script, matches, heard, 20.0) == {6, 7, 8, 9}
    aligned = {index: Timing(index * 0.3, index * 0.3 + 0.2, 0.9) for index in range(3)}
    found = timed(script, matches, heard, aligned, 20.0)
    assert [timing.start for timing in found[:3]] == [0.0, 0.3, 0.6]
    assert found[4].start == heard[4].start
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert heard[5].end <= found[6].start <= found[9].end <= heard[6].start


def test_what_was_not_recorded_of_a_text_spoils_no_stretch() -> None:
    head, tail = [f"h{index}" for index in range(1000)], [f"t{index}" for index in range(1300)]
    script = [*head, *LINE, *tail]
    heard = _said(LINE)
    matches = matched(script, LINE)
    assert unsaid(script, matches, heard, 8.0) == {*range(1000), *range(1000 + len(LINE), len(script))}
    (found,) = stretches(script, matches, heard, 20.0, 8.0)
    assert heard[0].start - 1.0 < found.start <= heard[0].start
    assert heard[-1].end <= found.end < heard[-1].end + 1.0
    assert unsaid([*head[-2:], *LINE, *tail[:2]], matched([*head[-2:], *LINE, *tail[:2]], LINE), heard, 8.0) == set()


def test_words_that_were_heard_as_one_share_its_time() -> None:
    script = ["今", "日", "は、", "世", "界。"]
    heard = [Word(1.0, 2.5, "今日は", confidence=0.8), Word(2.6, 3.6, "世界")]
    matches = matched(script, [word.text for word in heard])
    found = timed(script, matches, heard, {}, 4.0)
    assert [timing.start for timing in found] == [1.0, 1.5, 2.0, 2.6, 3.1]
    assert [timing.end for timing in found] == [1.5, 2.0, 2.5, 3.1, 3.6]
    assert [timing.confidence for timing in found] == [0.8, 0.8, 0.8, None, None]
    around = {0: Timing(0.9, 1.25, 0.9), 4: Timing(3.0, 3.5, 0.9)}
    found = timed(script, matches, heard, around, 4.0)
    assert [timing.start for timing in found] == [0.9, 1.25, 1.875, 2.6, 3.0]
    assert found[3].end == 3.0


def test_three_hours_take_seconds_and_little_memory() -> None:
    dice = random.Random(0)
    words = [f"w{int(dice.paretovariate(0.6))}" for _ in range(30_000)]
    spoken = [word for word in (f"x{word}" if dice.random() < 0.1 else word for word in words) if dice.random() > 0.03]
    heard = _said(spoken, 0.36)
    tracemalloc.start()
    began = time.process_time()
    matches = matched(words, spoken)
    check_belongs(words, spoken, matches)
    found = stretches(words, matches, heard, 25.0, heard[-1].end)
    assert time.process_time() - began < 10
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert max(stretch.duration for stretch in found) <= 25
