"""Words that nobody speaks, and times for those that have none."""

from __future__ import annotations

import pytest

from providers.aligner import Timing
from providers.unspoken import filled, spoken


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("a", True),
        ("5", True),
        ("$", True),
        ("日", True),
        ("-", False),
        ("...", False),
        ("\N{GRINNING FACE}", False),
        ("¿", False),
    ],
)
def test_letters_digits_and_signs_with_names_are_spoken(word: str, sounds: bool) -> None:
    assert spoken(word) is sounds


def test_what_has_no_time_takes_the_place_between_its_neighbours_by_letters() -> None:
    found = filled(
        [None, Timing(1.0, 2.0, 0.5), None, None, Timing(5.0, 6.0), None], ["a", "b", "cd", "e", "f", "-"], 7.0
    )
    places = [(one.start, one.end) for one in found]
    assert places == [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 5.0), (5.0, 6.0), (6.0, 7.0)]
    assert found[1].confidence == 0.5
    assert found[2].confidence is None


def test_without_any_time_all_share_the_audio_and_without_room_they_have_no_length() -> None:
    assert [(one.start, one.end) for one in filled([None, None], ["ab", "ab"], 4.0)] == [(0.0, 2.0), (2.0, 4.0)]
    squeezed = filled([Timing(0.0, 3.0), None, Timing(2.0, 4.0)], ["a", "b", "c"], 4.0)
    assert (squeezed[1].start, squeezed[1].end) == (3.0, 3.0)
