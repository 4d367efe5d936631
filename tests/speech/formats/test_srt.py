from __future__ import annotations

import re

import pysrt
import pysubs2
import pytest
import webvtt
from hypothesis import given

from speech.formats import render
from speech.formats.cues import single_cues
from speech.formats.srt import WORD_JOINER
from speech.options import SubtitleOptions
from speech.transcript import Speaker, Transcript
from tests.speech.build import spoken, transcript, written
from tests.speech.strategies import few, subtitles, transcripts

DEFAULT = SubtitleOptions()


def _srt(whole: Transcript) -> str:
    return render(whole, "srt", DEFAULT)


def _bare(text: str) -> str:
    return text.replace(WORD_JOINER, "")


def _read(text: str) -> pysrt.SubRipFile:
    return pysrt.from_string(text, error_handling=pysrt.ERROR_RAISE)


@given(transcripts(), subtitles)
def test_pysrt_gives_cues_and_text_back(whole: Transcript, options: SubtitleOptions) -> None:
    cues = single_cues(whole, options)
    read = _read(render(whole, "srt", options))
    assert [_bare(item.text) for item in read] == [_bare("\n".join(cue.lines)) for cue in cues]
    assert [(item.start.ordinal, item.end.ordinal) for item in read] == [(cue.start_ms, cue.end_ms) for cue in cues]
    assert [item.index for item in read] == list(range(1, len(cues) + 1))
    assert not any(item.position for item in read)


@given(transcripts(), subtitles)
def test_pysubs2_gives_cues_and_text_back(whole: Transcript, options: SubtitleOptions) -> None:
    cues = single_cues(whole, options)
    read = pysubs2.SSAFile.from_string(render(whole, "srt", options), format_="srt")
    assert [_bare(event.text) for event in read] == [_bare("\\N".join(cue.lines)) for cue in cues]
    assert [(event.start, event.end) for event in read] == [(cue.start_ms, cue.end_ms) for cue in cues]


@few
@given(transcripts(), subtitles)
def test_webvtt_reads_it_too(whole: Transcript, options: SubtitleOptions) -> None:
    cues = single_cues(whole, options)
    text = render(whole, "srt", options)
    read = webvtt.srt.parse(text.split("\n")) if text else []
    assert [_bare(caption.raw_text) for caption in read] == [_bare("\n".join(cue.lines)) for cue in cues]


@few
@given(transcripts())
def test_the_file_is_numbered_blocks_without_blank_lines_inside(whole: Transcript) -> None:
    text = _srt(whole)
    text.encode("utf-8")
    for number, block in enumerate(text.rstrip("\n").split("\n\n") if text else [], 1):
        index, times, *payload = block.split("\n")
        assert index == str(number)
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", times)
        assert payload
        assert not any("-->" in line or "\r" in line or not line.strip() for line in payload)


def test_an_example() -> None:
    whole = transcript(spoken("And so my fellow Americans", 0.5), spoken("ask not", 4.0))
    assert _srt(whole) == (
        "1\n00:00:00,500 --> 00:00:02,000\nAnd so my fellow Americans\n\n2\n00:00:04,000 --> 00:00:04,600\nask not\n"
    )


def test_without_words_it_is_empty() -> None:
    assert _srt(transcript()) == ""
    assert len(_read("")) == 0


def test_blank_lines_ampersands_and_angle_brackets_in_cues() -> None:
    said = "R&D said:\n\n\n<b>1 < 2</b> &amp; so"
    (item,) = _read(_srt(transcript(written(said))))
    assert _bare(item.text) == "R&D said: <b>1 < 2</b> &amp; so"
    assert "R&D" in item.text
    assert "&amp;" in item.text


@pytest.mark.parametrize(
    "said",
    [
        "a <i>b</i> c",
        "x < y and y > z",
        "<font color=red>",
        "< B >",
        "</ u>",
        "a --> b",
        "a ---> b",
        "<3",
        "1 <2> 3",
        "{\\an8}up",
        "{Y:i}so",
    ],
)
def test_what_looks_like_markup_is_text_to_readers(said: str) -> None:
    text = _srt(transcript(written(said)))
    (event,) = pysubs2.SSAFile.from_string(text, format_="srt")
    (item,) = _read(text)
    assert _bare(event.text) == _bare(item.text) == said


@pytest.mark.parametrize("said", ["{\\an8}up", "{y:i}so", "<b>so</b>", "a --> b"])
def test_markup_gets_an_invisible_mark(said: str) -> None:
    text = _srt(transcript(written(said)))
    assert said not in text
    assert said in _bare(text)


@pytest.mark.parametrize("said", ["{so}", "a < b", "x > y", "<3", "AT&T", '"so"', "1 < 2 and 3 > 2"])
def test_what_no_reader_takes_for_markup_is_left_alone(said: str) -> None:
    assert said in _srt(transcript(written(said)))


def test_speakers_are_stacked_and_not_named() -> None:
    whole = transcript(
        written("Hello there.", 0, 4, "SPEAKER_00"),
        written("Hi.", 1, 2, "SPEAKER_01"),
        speakers=(Speaker("SPEAKER_00", "Ann"), Speaker("SPEAKER_01")),
    )
    assert _srt(whole) == "1\n00:00:00,000 --> 00:00:04,000\nHello there.\nHi.\n"


def test_a_last_line_of_digits_comes_back() -> None:
    whole = transcript(spoken("nineteen 1984"))
    options = SubtitleOptions(max_line_width=8)
    read = pysubs2.SSAFile.from_string(render(whole, "srt", options), format_="srt")
    assert [event.text for event in read] == ["nineteen", "1984"]
