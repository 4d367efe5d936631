"""What faster-whisper heard, as words of ours: spaces, numbers, marks, times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE
from providers.whisper_words import SegmentReader, probability
from speech.transcript import Recognition, Segment, joined
from tests.providers.contract import promises

NOISE = np.random.default_rng(1).standard_normal(20 * SAMPLE_RATE) * 0.1
SAMPLES = (NOISE * (np.sin(np.arange(NOISE.size) / SAMPLE_RATE * 20) > 0)).astype(np.float32)
"""Bursts of noise, which may be speech for all that their level tells."""


@dataclass
class HeardWord:
    word: str
    start: Any
    end: Any
    probability: Any = 0.9


@dataclass
class Heard:
    """A segment as the engine gives it."""

    text: str
    start: Any = 0.0
    end: Any = 10.0
    words: list[HeardWord] | None = None
    avg_logprob: float = -0.1
    no_speech_prob: float = 0.01


def _read(*heard: Heard) -> list[Segment | None]:
    reader = SegmentReader(SAMPLES)
    return [reader.read(one, "en") for one in heard]  # type: ignore[arg-type]


def _words(*texts: str, start: float = 0.0) -> list[HeardWord]:
    return [
        HeardWord(text, np.float64(start + number), np.float64(start + number + 0.5))
        for number, text in enumerate(texts)
    ]


def _segment(*texts: str, start: float = 0.0) -> Heard:
    return Heard("".join(texts), np.float64(start), np.float64(start + len(texts)), _words(*texts, start=start))


def test_spaces_are_those_that_the_engine_wrote() -> None:
    (segment,) = _read(_segment(" I", "'m", " here", ".", " 世", "界"))
    assert segment is not None
    assert [word.space_before for word in segment.words] == [False, False, True, False, True, False]
    assert segment.text == joined(segment.words) == "I'm here. 世界"


def test_a_word_of_space_alone_leaves_its_space_behind() -> None:
    (segment,) = _read(_segment(" one", " ", "two", "three ", "four"))
    assert segment is not None
    assert segment.text == "one twothree four"
    assert [word.text for word in segment.words] == ["one", "two", "three", "four"]


def test_numbers_are_plain_floats_and_probabilities() -> None:
    heard = _segment(" one", " two")
    heard.words = [
        HeardWord(" one", np.float32(0.1), np.float32(0.1), np.float32(1.0000001)),
        HeardWord(" two", np.float64(0.1), np.float64(0.5), np.float64("nan")),
    ]
    (segment,) = _read(heard)
    assert segment is not None
    assert [word.confidence for word in segment.words] == [1.0, None]
    assert segment.confidence == pytest.approx(np.exp(-0.1), abs=1e-4)
    promises(Recognition((segment,), "en", 1.0), 20)


@pytest.mark.parametrize(("value", "expected"), [(-0.1, 0.0), (1.2, 1.0), (float("nan"), None), (np.float64(0.5), 0.5)])
def test_probabilities_are_bounded(value: float, expected: float | None) -> None:
    found = probability(value)
    assert found == expected
    assert found is None or type(found) is float


def test_times_never_go_back_and_stay_in_the_audio() -> None:
    first, second = _read(
        Heard(" a b", 0.0, 5.0, [HeardWord(" a", 1.0, 0.5), HeardWord(" b", 0.2, 6.0)]),
        Heard(" c", 4.0, 30.0, [HeardWord(" c", 4.0, 30.0)]),
    )
    assert first is not None
    assert second is not None
    promises(Recognition((first, second)), 20)
    assert (first.end, second.start, second.end) == (6.0, 6.0, 20.0)


def test_words_without_length_stay() -> None:
    (segment,) = _read(Heard(" a b", 1.0, 2.0, [HeardWord(" a", 1.0, 1.0), HeardWord(" b", 1.0, 2.0)]))
    assert segment is not None
    assert [word.text for word in segment.words] == ["a", "b"]


def test_text_without_words_stays() -> None:
    (segment,) = _read(Heard(" only text ", words=None))
    assert segment is not None
    assert (segment.text, segment.words) == ("only text", ())
    (untimed,) = _read(Heard(" only text ", words=[]))
    assert untimed is not None
    assert untimed.text == "only text"


def test_marks_that_went_to_a_neighbour_s_word_do_not_come_twice() -> None:
    heard = [_segment(" Hello", " there."), Heard(" .", 2.0, 2.5, []), _segment(" Well.", start=3.0)]
    said = [segment.text for segment in _read(*heard) if segment is not None]
    assert said == ["Hello there.", "Well."]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_segments_without_text_are_none(text: str) -> None:
    assert _read(Heard(text, words=[])) == [None]


@pytest.mark.parametrize("no_speech_prob", [0.1, 0.9])
@pytest.mark.parametrize("word_timestamps", [True, False])
@pytest.mark.parametrize("text", [" . .", " ...", " \u266a\u266a", " \u3002", " - "])
def test_marks_alone_are_no_words(text: str, word_timestamps: bool, no_speech_prob: float) -> None:
    heard = Heard(text, no_speech_prob=no_speech_prob, words=_words(text) if word_timestamps else None)
    assert _read(heard) == [None]


@pytest.mark.parametrize("text", [" \u0939\u093e\u0901", " \u3042", " 100 %", " \u00e9!"])
def test_letters_and_figures_of_any_script_are_words(text: str) -> None:
    (kept,) = _read(Heard(text, words=_words(text)))
    assert kept is not None
    assert kept.text == text.strip()


def test_words_whose_times_are_a_little_off_stay() -> None:
    samples = np.concatenate([np.zeros(3 * SAMPLE_RATE, np.float32), SAMPLES])
    reader = SegmentReader(samples)
    assert reader.read(_segment(" yes", start=1.5), "en") is not None  # type: ignore[arg-type]
    assert SegmentReader(samples).read(_segment(" yes", start=0.5), "en") is None  # type: ignore[arg-type]


def test_words_heard_in_silence_are_none() -> None:
    silent = SegmentReader(np.zeros(20 * SAMPLE_RATE, np.float32))
    assert silent.read(_segment(" Thank", " you."), "en") is None  # type: ignore[arg-type]
