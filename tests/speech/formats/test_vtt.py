from __future__ import annotations

import html

import pysubs2
import pytest
import webvtt
from hypothesis import given

from speech.formats import render
from speech.formats.cues import parallel_cues
from speech.options import SubtitleOptions
from speech.transcript import Speaker, Transcript
from tests.speech.build import spoken, transcript, written
from tests.speech.strategies import few, subtitles, transcripts

DEFAULT = SubtitleOptions()


def _vtt(whole: Transcript) -> str:
    return render(whole, "vtt", DEFAULT)


@given(transcripts(), subtitles)
def test_a_strict_reader_gives_cues_and_text_back(whole: Transcript, options: SubtitleOptions) -> None:
    cues = parallel_cues(whole, options)
    read = webvtt.WebVTT.from_string(render(whole, "vtt", options), strict=True)
    assert [html.unescape(caption.text) for caption in read] == ["\n".join(cue.lines) for cue in cues]
    assert [caption.start_time.in_milliseconds() for caption in read] == [cue.start_ms for cue in cues]
    assert [caption.end_time.in_milliseconds() for caption in read] == [cue.end_ms for cue in cues]
    assert not any(caption.identifier or caption.settings for caption in read)


@given(transcripts(), subtitles)
def test_pysubs2_gives_cues_and_text_back(whole: Transcript, options: SubtitleOptions) -> None:
    cues = parallel_cues(whole, options)
    read = pysubs2.SSAFile.from_string(render(whole, "vtt", options), format_="vtt")
    assert [html.unescape(event.text) for event in read] == ["\\N".join(cue.lines) for cue in cues]
    assert [(event.start, event.end) for event in read] == [(cue.start_ms, cue.end_ms) for cue in cues]


@few
@given(transcripts())
def test_the_file_is_blocks_of_utf8_without_blank_lines_inside(whole: Transcript) -> None:
    text = _vtt(whole)
    text.encode("utf-8")
    header, *blocks = text.rstrip("\n").split("\n\n")
    assert header == "WEBVTT"
    for block in blocks:
        times, *payload = block.split("\n")
        assert times.count("-->") == 1
        assert payload
        assert not any("-->" in line or "\r" in line or not line.strip() for line in payload)


def test_an_example() -> None:
    assert _vtt(transcript(spoken("And so my fellow Americans", 0.5))) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nAnd so my fellow Americans\n"
    )


def test_without_words_only_the_header_is_written() -> None:
    assert _vtt(transcript()) == "WEBVTT\n"
    assert len(webvtt.WebVTT.from_string("WEBVTT\n", strict=True)) == 0


def test_blank_lines_ampersands_and_angle_brackets_in_cues() -> None:
    said = "R&D said:\n\n\n<b>1 < 2</b> &amp; so --> on"
    text = _vtt(transcript(written(said)))
    assert text.endswith("\nR&amp;D said: &lt;b&gt;1 &lt; 2&lt;/b&gt; &amp;amp; so --&gt; on\n")
    (caption,) = webvtt.WebVTT.from_string(text, strict=True)
    assert html.unescape(caption.text) == "R&D said: <b>1 < 2</b> &amp; so --> on"


def test_speakers_are_voices_by_name_where_it_is_known() -> None:
    whole = transcript(
        written("Hello.", 0, 1, "SPEAKER_00"),
        written("Hi.", 1, 2, "SPEAKER_01"),
        written("Who?", 2, 3),
        speakers=(Speaker("SPEAKER_00", "Bo <Jr> & Co\n-->"), Speaker("SPEAKER_01")),
    )
    read = webvtt.WebVTT.from_string(_vtt(whole), strict=True)
    assert [html.unescape(caption.voice) if caption.voice else None for caption in read] == [
        "Bo <Jr> & Co -->",
        "SPEAKER_01",
        None,
    ]
    assert [caption.text for caption in read] == ["Hello.", "Hi.", "Who?"]


def test_a_speaker_who_is_not_listed_is_a_voice_too() -> None:
    assert "<v SPEAKER_07>Hello.</v>" in _vtt(transcript(written("Hello.", 0, 1, "SPEAKER_07")))


def test_overlaps_are_kept() -> None:
    read = webvtt.WebVTT.from_string(
        _vtt(transcript(written("Hello there.", 0, 4, "A"), written("Hi.", 1, 2, "B"))), strict=True
    )
    assert [(caption.start, caption.end) for caption in read] == [
        ("00:00:00.000", "00:00:04.000"),
        ("00:00:01.000", "00:00:02.000"),
    ]


@pytest.mark.parametrize(("seconds", "shown"), [(3599.9996, "01:00:00.000"), (36_000.001, "10:00:00.001")])
def test_hours(seconds: float, shown: str) -> None:
    text = _vtt(transcript(written("late", seconds, seconds + 2), duration=40_000.0))
    assert f"\n{shown} --> " in text


def test_text_from_right_to_left_and_marks_survive() -> None:
    said = "مرحبا بالعالم \u200fשלום e\u0301 👨‍👩‍👧 日本"
    (caption,) = webvtt.WebVTT.from_string(_vtt(transcript(written(said))), strict=True)
    assert caption.text == said
