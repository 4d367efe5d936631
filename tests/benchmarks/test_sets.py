"""Composed conversations: the same each time, and where the reference says that somebody speaks, somebody does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.sets.clips import Clip, Speaker
from benchmarks.sets.conversations import compose
from benchmarks.sets.making import Making, Written
from benchmarks.sets.sound import SAMPLE_RATE, stretches, write
from pipeline.evaluation.samples import read_set
from tests.conftest import Clip as Recorded


@pytest.fixture(scope="module")
def voices(clips: list[Recorded]) -> list[list[Clip]]:
    """Two real voices."""
    chosen = {"en": Speaker("austen", "m", "public domain"), "it": Speaker("carlo", "m", "CC-BY-SA-3.0")}
    made = [
        Clip(each.name, each.language, chosen[each.language], each.text, each.path, "tests")
        for each in clips
        if each.language in chosen and each.name != "jfk"
    ]
    return [[clip for clip in made if clip.language == language] for language in chosen]


def test_a_conversation_is_decided_by_its_name(voices: list[list[Clip]]) -> None:
    one, again, other = (compose(name, "mul", voices) for name in ("a", "a", "b"))
    assert np.array_equal(one.samples, again.samples)
    assert one.spoken == again.spoken
    assert one.spoken != other.spoken


def test_the_reference_is_where_somebody_speaks(voices: list[list[Clip]]) -> None:
    made = compose("a", "mul", voices)
    assert {speaker.name for speaker in made.speakers} == {"austen", "carlo"}
    marked = np.zeros(len(made.samples), dtype=bool)
    for each in made.spoken:
        assert each.start <= each.speech[0][0] < each.speech[-1][1] <= each.end
        for begin, end in each.speech:
            marked[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = True
    loud = np.sqrt(np.mean(made.samples[marked] ** 2))
    quiet = np.sqrt(np.mean(made.samples[~marked] ** 2))
    assert 20 * np.log10(loud / quiet) > 30
    for name in ("austen", "carlo"):
        spans = sorted(span for each in made.spoken if each.clip.speaker.name == name for span in each.speech)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_set_is_one_that_can_be_run(voices: list[list[Clip]], tmp_path: Path) -> None:
    told: list[str] = []
    with Written(tmp_path / "some-test", told.append) as made:
        made.utterance(voices[0][0])
        made.conversation(compose("a", "mul", voices))
    assert told[0].startswith("some-test: 2 recordings")
    alone, together = read_set(tmp_path / "some-test" / "manifest.jsonl").samples
    assert alone.text == voices[0][0].text
    assert {turn.speaker for turn in together.turns or ()} == {"austen", "carlo"}
    assert len(together.said or ()) == len(compose("a", "mul", voices).spoken)


def test_the_call_is_a_set(tmp_path: Path) -> None:
    Making(tmp_path, lambda _: None)._call()
    (call,) = read_set(tmp_path / "call-tune" / "manifest.jsonl").samples
    assert len({turn.speaker for turn in call.turns or ()}) == 2
    assert len({each.speaker for each in call.said or ()}) == 2


def test_both_splits_get_about_half(voices: list[list[Clip]]) -> None:
    speaker = Speaker("a", "f", "none")
    splits = [Clip(str(number), "en", speaker, "", Path(), "").split for number in range(400)]
    assert 160 < splits.count("test") < 240


def test_pauses_part_stretches(tmp_path: Path) -> None:
    tone = np.sin(np.arange(SAMPLE_RATE) * 0.3).astype(np.float32)
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    write(tmp_path / "a.wav", np.concatenate([silence, tone, silence, tone]))
    assert stretches(np.concatenate([silence, tone, silence, tone])) == [(1.0, 2.0), (3.0, 4.0)]
    short = silence[: SAMPLE_RATE // 4]
    assert stretches(np.concatenate([tone, short, tone])) == [(0.0, 2.25)]
