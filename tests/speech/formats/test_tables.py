from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from hypothesis import given

from speech.codec import from_json
from speech.formats import render
from speech.options import SubtitleOptions
from speech.transcript import Segment, Speaker, Transcript
from tests.speech.build import spoken, transcript, written
from tests.speech.strategies import few, transcripts


def _render(whole: Transcript, name: str) -> str:
    return render(whole, name, SubtitleOptions())


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))


@few
@given(transcripts())
def test_a_reader_of_csv_gives_the_rows_of_tsv_back(whole: Transcript) -> None:
    header, *rows = _rows(_render(whole, "tsv"))
    assert header == ["start", "end", "text"]
    assert rows == [
        [str(round(segment.start * 1000)), str(round(segment.end * 1000)), segment.text] for segment in whole.segments
    ]


@few
@given(transcripts())
def test_tsv_has_one_line_a_row_and_two_tabs_a_line(whole: Transcript) -> None:
    lines = _render(whole, "tsv").splitlines()
    assert len(lines) == 1 + len(whole.segments)
    assert all(line.count("\t") == 2 for line in lines)


def test_tsv_survives_tabs_and_newlines() -> None:
    whole = transcript(written("a\tb\r\nc\n\nd", 0.0, 1.5), written('say "no"', 2.0, 3.0))
    assert _render(whole, "tsv") == 'start\tend\ttext\n0\t1500\ta b c d\n2000\t3000\t"say ""no"""\n'
    assert _rows(_render(whole, "tsv"))[2][2] == 'say "no"'


def test_tsv_without_words_is_the_header() -> None:
    assert _render(transcript(), "tsv") == "start\tend\ttext\n"


@few
@given(transcripts())
def test_txt_has_one_line_a_segment(whole: Transcript) -> None:
    text = _render(whole, "txt")
    assert len(text.splitlines()) == len(whole.segments)
    for line, segment in zip(text.splitlines(), whole.segments, strict=True):
        assert line.endswith(segment.text)


def test_txt() -> None:
    assert _render(transcript(), "txt") == ""
    assert (
        _render(transcript(spoken("Hello there."), written("Second\nline.")), "txt") == "Hello there.\nSecond line.\n"
    )


def test_txt_names_speakers() -> None:
    whole = transcript(
        written("Hello.", 0, 1, "SPEAKER_00"),
        written("Hi.", 1, 2, "SPEAKER_01"),
        written("Who?", 2, 3),
        speakers=(Speaker("SPEAKER_00"), Speaker("SPEAKER_01", "Ann")),
    )
    assert _render(whole, "txt") == "SPEAKER_00: Hello.\nAnn: Hi.\nWho?\n"


@few
@given(transcripts())
def test_rttm_lines_have_ten_fields_and_last(whole: Transcript) -> None:
    lines = _render(whole, "rttm").splitlines()
    turns = [s for s in whole.segments if s.speaker and round(s.end * 1000) > round(s.start * 1000)]
    assert len(lines) == len(turns)
    for line, turn in zip(lines, turns, strict=True):
        kind, name, channel, onset, lasts, *rest = line.split()
        assert (kind, len(rest)) == ("SPEAKER", 5)
        assert name
        assert int(channel) == 1 + (turn.channel or 0)
        assert (rest[0], rest[1], rest[3], rest[4]) == ("<NA>",) * 4
        assert float(lasts) > 0
        assert round(float(onset) + float(lasts), 3) == round(turn.end, 3)


def test_rttm_replaces_spaces_and_leaves_out_who_is_not_known() -> None:
    whole = transcript(
        written("Hello.", 0.5, 1.75, "SPEAKER 00"),
        written("Who?", 2, 3),
        Segment(3, 4, "Two.", speaker="B", channel=1),
        written("Now.", 5, 5, "B"),
    )
    whole = replace(whole, filename="my call\t(2).old.wav")
    assert _render(whole, "rttm") == (
        "SPEAKER my_call_(2).old 1 0.500 1.250 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
        "SPEAKER my_call_(2).old 2 3.000 1.000 <NA> <NA> B <NA> <NA>\n"
    )


def test_rttm_without_speakers_is_empty() -> None:
    assert _render(transcript(spoken("Hello there.")), "rttm") == ""


def test_rttm_of_a_file_without_a_name() -> None:
    whole = replace(transcript(written("Hello.", 0, 1, "A")), filename="")
    assert _render(whole, "rttm").startswith("SPEAKER audio 1 ")


@few
@given(transcripts())
def test_json_is_one_line_that_gives_the_transcript_back(whole: Transcript) -> None:
    text = _render(whole, "json")
    text.encode("utf-8")
    assert text.count("\n") == 1
    assert from_json(json.loads(text)) == whole


def test_json_writes_letters_as_they_are() -> None:
    assert "Grüße, 日本" in _render(transcript(written("Grüße, 日本")), "json")
