"""Names for voices: the surest first, each once, and nobody below the threshold."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.identify import Identity, identify, named
from speech.diarization import Voice
from speech.transcript import Speaker
from storage.takes import EnrolledVoice

vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(tuple).filter(lambda each: math.hypot(*each) > 0.01)


def at(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def voice(label: str, degrees: float, seconds: float = 10.0) -> Voice:
    return Voice(label, at(degrees), seconds)


def known(name: str, *degrees: float) -> EnrolledVoice:
    return EnrolledVoice(f"id-{name}", name, tuple(at(each) for each in degrees))


def names(found: dict[str, Identity]) -> dict[str, str]:
    return {label: identity.name for label, identity in found.items()}


def test_takes_count_together_and_strangers_stay_unnamed() -> None:
    found = identify([voice("A", 20), voice("B", 100)], [known("Ada", 0, 40), known("Bob", 180)], 0.5)
    assert found == {"A": Identity("id-Ada", "Ada", 1.0)}


def test_the_surest_pair_comes_first_and_nobody_is_two_people() -> None:
    ada, bob = known("Ada", 0), known("Bob", 22)
    assert names(identify([voice("A", 10), voice("B", 3)], [ada, bob], 0.5)) == {"B": "Ada", "A": "Bob"}
    assert names(identify([voice("A", 12), voice("B", 3)], [ada], 0.5)) == {"B": "Ada"}
    assert names(identify([voice("A", 12), voice("B", 3)], [ada, bob], 0.99)) == {"B": "Ada"}


def test_a_voice_that_was_taken_for_two_does_not_become_somebody_else() -> None:
    ada, bob = known("Ada", 0), known("Bob", 50)
    assert names(identify([voice("A", 12), voice("B", 3)], [ada, bob], 0.5)) == {"B": "Ada"}


def test_what_was_hardly_heard_is_not_named() -> None:
    assert identify([voice("A", 0, seconds=0.4)], [known("Ada", 0)], 0.5) == {}
    assert identify([], [known("Ada", 0)], 0.5) == {}
    assert identify([voice("A", 0)], [], 0.5) == {}
    assert identify([Voice("A", (math.nan, math.nan), 9.0)], [known("Ada", 0)], 0.5) == {}


@given(st.lists(vectors, max_size=5), st.lists(st.lists(vectors, min_size=1, max_size=3), max_size=5))
def test_each_name_is_given_once_and_only_above_the_threshold(
    heard: list[tuple[float, ...]], enrolled: list[list[tuple[float, ...]]]
) -> None:
    voices = [Voice(f"S{number}", vector, 5.0) for number, vector in enumerate(heard)]
    people = [EnrolledVoice(str(number), str(number), tuple(takes)) for number, takes in enumerate(enrolled)]
    found = identify(voices, people, 0.4)
    assert len({identity.speaker_id for identity in found.values()}) == len(found)
    assert all(0.4 <= identity.score <= 1.001 for identity in found.values())


def test_a_transcripts_speakers_get_names_and_scores() -> None:
    speakers = (Speaker("SPEAKER_00", talk_time=2.0), Speaker("SPEAKER_01", talk_time=1.0))
    first, second = named(speakers, {"SPEAKER_01": Identity("id", "Ada", 0.83)})
    assert (first.name, first.score) == (None, None)
    assert second == Speaker("SPEAKER_01", "Ada", 1.0, 0.83)
