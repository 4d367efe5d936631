"""Scores of small cases that were counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from meeteval.wer import cp_word_error_rate

from pipeline.evaluation.bootstrap import Amounts, difference_interval, rate, rate_interval
from pipeline.evaluation.references import Utterance
from pipeline.evaluation.results import FileResult
from pipeline.evaluation.samples import Sample
from pipeline.evaluation.scoring import failure, score
from pipeline.evaluation.speakers import WrongTime, paired_edits, wrong_time
from pipeline.evaluation.words import Edits, character_edits, normalised, normaliser_name, word_edits
from speech.diarization import Turn
from speech.transcript import Segment, Transcript, Word


def transcript(*segments: Segment, duration: float = 10.0, turns: tuple[Turn, ...] = ()) -> Transcript:
    return Transcript("t", None, None, "a.wav", duration, "en", 1.0, "fake", "m", None, segments, turns=turns)


def said(start: float, speaker: str | None, text: str) -> Segment:
    words = tuple(
        Word(start + number, start + number + 0.9, word, space_before=number > 0, speaker=speaker)
        for number, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, text, words, speaker=speaker)


def test_words_and_characters() -> None:
    assert word_edits("a b c d", "a x c d e") == Edits(1, 0, 1, 4)
    assert word_edits("", "so it goes") == Edits(0, 0, 3, 0)
    assert word_edits("so it goes", "") == Edits(0, 3, 0, 3)
    assert character_edits("abc", "adc") == Edits(1, 0, 0, 3)


def test_text_is_compared_as_it_is_spoken() -> None:
    assert normalised("Mr. Smith doesn't owe twenty-one  colours!", "en") == "mister smith does not owe 21 colors"
    assert normalised("C'est l'Été.", "fr") == "c est l été"
    assert normalised("你好", "zh") == "你 好"


def test_marks_are_what_words_are_written_with() -> None:
    assert normalised("हिन्दी, की!", "hi") == "हिन्दी की"
    assert normalised("ที่นี่", "th") == "ที่ นี่"
    assert word_edits(normalised("की", "hi"), normalised("का", "hi")).errors == 1
    assert normalised("so ❤️ it 1️⃣ goes", "fr") == "so it 1 goes"
    assert "marks" in normaliser_name("hi")


def test_turkish_has_two_letters_i() -> None:
    assert normalised("İzmir IŞIK", "tr") == "izmir ışık"
    assert normalised("I\u0307zmir", "az-AZ") == "izmir"
    assert normalised("İzmir", "de") == normalised("i\u0307zmir", "de")
    assert normaliser_name("tr") != normaliser_name("de")


def test_diarization_error_by_hand() -> None:
    reference = [Turn(0, 4, "A"), Turn(3, 6, "B")]
    # A is found until 3 and goes on as B: one second of A is missed, the overlap is half found, 6 to 7 is made up.
    hypothesis = [Turn(0, 3, "x"), Turn(3, 7, "y")]
    assert wrong_time(reference, hypothesis, 10, 0.0) == WrongTime(7.0, 1.0, 1.0, 0.0)
    assert wrong_time(reference, [Turn(0, 6, "x")], 10, 0.0) == WrongTime(7.0, 1.0, 0.0, 2.0)
    # A quarter of a second on each side of 0, 3, 4 and 6 is left out.
    assert wrong_time(reference, hypothesis, 10, 0.25) == WrongTime(5.0, 0.5, 0.75, 0.0)


def test_speech_after_the_end_of_what_was_decoded_is_missed() -> None:
    assert wrong_time([Turn(0, 20, "A")], [Turn(0, 10, "x")], 10, 0.0) == WrongTime(20.0, 10.0, 0.0, 0.0)


def test_nobody_speaks_twice_at_a_time() -> None:
    twice = [Turn(0, 3, "A"), Turn(2, 5, "A")]
    assert wrong_time(twice, [Turn(0, 5, "x")], 10, 0.0) == WrongTime(5.0, 0.0, 0.0, 0.0)
    assert wrong_time([Turn(0, 5, "A")], twice, 10, 0.0) == WrongTime(5.0, 0.0, 0.0, 0.0)


def test_words_with_their_speakers() -> None:
    sample = Sample("a", "en", said=(Utterance(0, 3, "A", "one more time"), Utterance(3, 6, "B", "never again")))

    def scored(*segments: Segment) -> FileResult:
        return score(sample, transcript(*segments), diarized=True, collar=0)

    right = scored(said(0, "S1", "one more time"), said(3, "S2", "never again"))
    assert right.speaker_words is not None
    assert right.speaker_words.amounts == Amounts(0, 5)
    assert (right.speakers, right.speakers_found, right.words_without_speaker) == (2, 2, 0)
    assert right.words is None
    swapped = scored(said(0, "S1", "one more never"), said(3, "S2", "time again"))
    assert swapped.speaker_words is not None
    assert swapped.speaker_words.amounts == Amounts(2, 5)
    nobody = scored(said(0, None, "one more time"))
    assert nobody.words_without_speaker == 3
    assert nobody.diarization is not None
    assert nobody.diarization.missed == pytest.approx(6.0)


def test_as_many_speakers_as_there_are() -> None:
    """meeteval stops at 20: here there are 25, and one of those who were found says what nobody said."""
    names = [f"mot{number} encore" for number in range(25)]
    sample = Sample("a", "fr", said=tuple(Utterance(at, at + 1, f"A{at}", text) for at, text in enumerate(names)))
    heard = [said(at, f"S{at}", text) for at, text in enumerate([*reversed(names[1:]), "tout autre chose"])]
    found = score(sample, transcript(*heard, duration=30), diarized=True, collar=0).speaker_words
    assert found is not None
    assert found.amounts == Amounts(3, 50)


def test_pairs_are_meetevals() -> None:
    texts = (("a b c", "d e", "f"), ("d e x", "a c"))
    by_meeteval = cp_word_error_rate(dict(enumerate(texts[0])), dict(enumerate(texts[1])))
    assert paired_edits(*texts).errors == by_meeteval.errors == 3
    assert paired_edits(texts[1], texts[0]).length == 5
    assert paired_edits((), ()) == Edits(0, 0, 0, 0)


def test_turns_count_before_segments() -> None:
    sample = Sample("a", "en", turns=(Turn(0, 5, "A"),))
    heard = transcript(said(0, "S1", "one"), turns=(Turn(0, 5, "S1"),))
    found = score(sample, heard, diarized=True, collar=0)
    assert found.diarization is not None
    assert found.diarization.amounts.errors == 0


def test_a_recording_that_failed_has_no_word_right() -> None:
    sample = Sample("a", "en", text="so it goes", said=(Utterance(0, 3, "A", "so it goes"),))
    found = failure(sample, "invalid_audio", diarized=True, collar=0)
    assert found.error == "invalid_audio"
    for part in (found.words, found.speaker_words):
        assert part is not None
        assert part.amounts == Amounts(3, 3)
    assert found.diarization is not None
    assert found.diarization.amounts == Amounts(3, 3)


def test_a_failure_is_scored_as_a_transcript_without_a_word() -> None:
    overlapping = (Utterance(0, 3, "A", "so it"), Utterance(2, 4, "A", "goes"), Utterance(3, 6, "B", "on"))
    sample = Sample("a", "en", said=overlapping)
    silent = score(sample, transcript(duration=6.0), diarized=True, collar=0.25)
    found = failure(sample, "invalid_audio", diarized=True, collar=0.25)
    assert found.diarization == silent.diarization
    assert found.speaker_words == silent.speaker_words
    assert failure(Sample("a", "en", turns=()), "invalid_audio", diarized=True, collar=0).diarization is not None


def test_intervals_are_those_of_the_binomial() -> None:
    chance = np.random.default_rng(1)
    wrong = [Amounts(float(bit), 1.0) for bit in chance.random(400) < 0.1]
    value, interval = rate(wrong), rate_interval(wrong)
    assert value is not None
    assert interval is not None
    spread = 1.96 * (value * (1 - value) / 400) ** 0.5
    assert interval.low == pytest.approx(value - spread, abs=0.008)
    assert interval.high == pytest.approx(value + spread, abs=0.008)
    assert rate_interval(wrong) == interval
    assert rate_interval(wrong[:1]) is None


def test_differences_are_paired() -> None:
    """What is hard for both runs is no difference: one more error in each utterance has no spread at all."""
    hard = [Amounts(float(number % 7), 10.0) for number in range(50)]
    harder = [Amounts(each.errors + 1, each.units) for each in hard]
    interval = difference_interval(harder, hard)
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(0.1), pytest.approx(0.1))
