"""How written English words and numbers are read aloud and sound."""

from __future__ import annotations

import pytest

from providers.numerals import readings
from providers.pronunciations import UNKNOWN_SPEECH, pronunciations

DICTIONARY = {
    "five": ("F AY V",),
    "dollars": ("D AA L ER Z", "D AO L ER Z"),
    "time": ("T AY M",),
    "stamp": ("S T AE M P",),
    "read": ("R EH D", "R IY D"),
    "don't": ("D OW N T",),
}


def _lookup(word: str) -> tuple[str, ...]:
    return DICTIONARY.get(word, ())


@pytest.mark.parametrize(
    ("word", "language", "first"),
    [
        ("1984,", "en", "nineteen eighty four"),
        ("$5", "en", "five dollars"),
        ("3rd", "en", "third"),
        ("10:30", "en", "ten thirty"),
        ("2,000", "en", "two thousand"),
        ("3.14", "en", "three point one four"),
        ("50%", "en", "fifty percent"),
        ("007", "en", "zero zero seven"),
        ("21", "de", "einundzwanzig"),
        ("7", "ru", "семь"),
        ("1984", "vi", "một nghìn chín trăm tám mươi bốn"),
        ("9" * 30, "en", " ".join(["nine"] * 30)),
    ],
)
def test_numbers_are_read_as_people_read_them(word: str, language: str, first: str) -> None:
    assert readings(word, language)[0] == first


@pytest.mark.parametrize("language", ["am", "amh"])
def test_no_number_is_read_for_ever(language: str) -> None:
    assert readings("1234567", language)[0].split()[:2] == [readings("1", language)[0], readings("2", language)[0]]
    assert readings("1234567.5", language) == ()


def test_a_year_may_be_read_in_several_ways_and_unknown_languages_in_none() -> None:
    assert "nineteen hundred eighty four" in readings("1984", "en")
    assert readings("1984", "xx") == ()


def test_words_are_looked_up_put_together_spelled_or_told_from_their_letters() -> None:
    assert pronunciations("Read", _lookup) == ("R EH D", "R IY D")
    assert pronunciations("“don’t!”", _lookup) == ("D OW N T",)
    assert pronunciations("$5", _lookup) == ("F AY V D AA L ER Z", "F AY V D AO L ER Z")
    assert pronunciations("timestamp", _lookup) == ("T AY M S T AE M P",)
    assert pronunciations("stamps", _lookup) == ("S T AE M P Z",)
    assert pronunciations("BBC", _lookup) == ("B IY B IY S IY",)
    assert pronunciations("shift", _lookup) == ("SH IH F T",)
    assert pronunciations("naïve", _lookup) == ("N EY V",)


@pytest.mark.parametrize("word", ["日本", "мир", "♥a"])
def test_every_word_sounds_somehow(word: str) -> None:
    ways = pronunciations(word, _lookup)
    assert ways
    assert all(ways)
    assert (UNKNOWN_SPEECH in ways) is not word.isascii() or word == "♥a"
