"""Names of speakers: what readers could take for another one is refused, and two writings of one name are the same."""

from __future__ import annotations

import pytest

from speech.speakers import name_key, refuse_name


@pytest.mark.parametrize("name", ["SPEAKER_00", "speaker_1", "Speaker 12", "\uff33PEAKER_07", "SPEAKER_\u0661"])
def test_nobody_is_called_like_those_without_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="SPEAKER_00"):
        refuse_name(name)


@pytest.mark.parametrize("name", ["\u200b", "\u200d", "a\u202eb", "\u2066Ada\u2069", "Ada\u200b", "\ufeffAda"])
def test_what_cannot_be_seen_is_in_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="see"):
        refuse_name(name)


@pytest.mark.parametrize(
    "name", ["Ada", "Loudspeaker_1", "SPEAKER_A", "علی\u200cرضا", "क्\u200dष", "\U0001f469\u200d\U0001f680", "王"]
)
def test_names_of_people_are_taken(name: str) -> None:
    assert refuse_name(name) == name


def test_names_that_look_alike_are_one() -> None:
    assert name_key("علی\u200cرضا") == name_key("علیرضا")
    assert name_key("Ada  King") == name_key("ada\u00a0king") != name_key("Ada Kings")
