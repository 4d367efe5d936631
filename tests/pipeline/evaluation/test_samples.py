"""Manifests: what is read from them, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluation.samples import ManifestRefused, read_set
from speech.diarization import Turn
from tests.conftest import AUDIO


def manifest(folder: Path, *rows: Any) -> Path:
    (folder / "a.wav").write_bytes(b"")
    path = folder / "manifest.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_the_clips_of_the_tests_are_a_set() -> None:
    found = read_set(AUDIO / "manifest.jsonl")
    assert found.name == "audio"
    assert len(found.samples) == 22
    assert len({sample.key for sample in found.samples}) == 22
    assert found.samples[5].key == "en/jfk"


def test_rttm_stm_and_segments_say_who_speaks(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0.500 1.000 <NA> <NA> A <NA> <NA>\nSPKR-INFO a 1 x x x x A x\n")
    (tmp_path / "a.stm").write_text(";; a comment\na 1 A 0.5 1.5 <o,f0,female> Hello there\na 1 B 1.2 2.0\n")
    segments = [{"speaker": "A", "start": 0.5, "end": 1.5, "text": "Hello"}]
    files = {"id": "files", "lang": "en", "path": "a.wav", "rttm": "a.rttm", "stm": "a.stm"}
    found = read_set(
        manifest(tmp_path, files, {"id": "inline", "lang": "en", "url": "https://a/b", "segments": segments})
    )
    by_files, inline = found.samples
    assert by_files.turns == (Turn(0.5, 1.5, "A"),)
    assert [(each.speaker, each.text) for each in by_files.said or ()] == [("A", "Hello there"), ("B", "")]
    assert inline.turns == (Turn(0.5, 1.5, "A"),)
    assert [each.text for each in inline.said or ()] == ["Hello"]
    assert inline.url == "https://a/b"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "lists no recording"),
        (["{not json"], "line 1: it is no JSON object"),
        ([{"id": "a", "path": "a.wav", "text": ""}], "line 1: lang: Field required"),
        ([{"id": "a b", "lang": "en", "path": "a.wav", "text": ""}], "line 1: id: "),
        ([{"id": "a", "lang": "en", "text": ""}], "give either path or url"),
        ([{"id": "a", "lang": "en", "path": "a.wav"}], "there is no reference"),
        ([{"id": "a", "lang": "en", "path": "b.wav", "text": ""}], "there is no file b.wav"),
        ([{"id": "a", "lang": "en", "path": "a.wav", "stm": "bad.stm"}], "line 2 of bad.stm cannot be read"),
        ([{"id": "a", "lang": "en", "path": "a.wav", "text": ""}] * 2, "en/a more than once"),
        (
            [{"id": "a", "lang": "en", "path": "a.wav", "segments": [{"speaker": "A", "start": 2, "end": 1}]}],
            "a segment ends after its start",
        ),
    ],
)
def test_what_cannot_be_used_is_said(rows: list[Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.stm").write_text("a 1 A 0.0 1.0 hello\na 1 A zero 1.0 the secret words\n")
    with pytest.raises(ManifestRefused, match=r"manifest\.jsonl") as refused:
        read_set(manifest(tmp_path, *rows))
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_manifest_that_is_not_there() -> None:
    with pytest.raises(ManifestRefused, match=r"nowhere\.jsonl cannot be read"):
        read_set(Path("nowhere.jsonl"))


TURN = "SPEAKER {} 1 0.500 1.000 <NA> <NA> A <NA> <NA>\n"


def with_rttm(folder: Path, text: str, *ids: str) -> Path:
    (folder / "all.rttm").write_text(text)
    return manifest(folder, *({"id": each, "lang": "en", "path": "a.wav", "rttm": "all.rttm"} for each in ids))


def test_a_file_about_several_recordings_is_read_by_name_or_id(tmp_path: Path) -> None:
    by_file = read_set(with_rttm(tmp_path, TURN.format("a") + TURN.format("b"), "x"))
    assert by_file.samples[0].turns == (Turn(0.5, 1.5, "A"),)
    by_id = read_set(with_rttm(tmp_path, TURN.format("x") + TURN.format("y") * 2, "x", "y"))
    assert [len(sample.turns or ()) for sample in by_id.samples] == [1, 2]


def test_a_name_does_not_matter_in_a_file_that_one_recording_has_for_itself(tmp_path: Path) -> None:
    found = read_set(with_rttm(tmp_path, TURN.format("anything"), "x"))
    assert found.samples[0].turns == (Turn(0.5, 1.5, "A"),)


def test_a_shared_file_about_one_recording_is_not_about_the_others(tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused, match=r"line 2: no line of all\.rttm is about a or y"):
        read_set(with_rttm(tmp_path, TURN.format("x"), "x", "y"))


def test_a_file_about_other_recordings_does_not_say_that_nobody_speaks(tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused, match=r"line 1: no line of all\.rttm is about a or x"):
        read_set(with_rttm(tmp_path, TURN.format("y") + TURN.format("z"), "x"))


def test_who_says_nothing_is_known_to_be_silent(tmp_path: Path) -> None:
    assert read_set(with_rttm(tmp_path, "", "x")).samples[0].turns == ()
    (tmp_path / "a.stm").write_text("a 1 inter_segment_gap 0 5 <o,,>\nb 1 A 0 1 hello\n")
    found = read_set(manifest(tmp_path, {"id": "x", "lang": "en", "path": "a.wav", "stm": "a.stm"}))
    assert found.samples[0].said == ()


@pytest.mark.parametrize(
    ("start", "length"), [("0.5", "-0.1"), ("0.5", "nan"), ("nan", "1"), ("0", "inf"), ("-1", "2")]
)
def test_times_that_cannot_be_are_refused(start: str, length: str, tmp_path: Path) -> None:
    line = f"SPEAKER a 1 {start} {length} <NA> <NA> A <NA> <NA>\n"
    with pytest.raises(ManifestRefused, match=r"line 1: line 2 of all\.rttm begins before 0, ends before"):
        read_set(with_rttm(tmp_path, TURN.format("a") + line, "a"))
    (tmp_path / "a.stm").write_text("a 1 A 2.0 1.0 the secret words\n")
    with pytest.raises(ManifestRefused, match=r"line 1 of a\.stm begins before 0, ends before") as refused:
        read_set(manifest(tmp_path, {"id": "a", "lang": "en", "path": "a.wav", "stm": "a.stm"}))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_ends_of_lines_part_lines(separator: str, tmp_path: Path) -> None:
    text = f"one{separator}two"
    (tmp_path / "a.stm").write_text(f"a 1 A 0.0 1.0 {text}\r\na 1 B 1.0 2.0 three\n", encoding="utf-8")
    row = {"id": "a", "lang": "en", "path": "a.wav", "text": text, "stm": "a.stm"}
    (sample,) = read_set(manifest(tmp_path, json.dumps(row, ensure_ascii=False) + "\r")).samples
    assert sample.text == text
    assert [each.text for each in sample.said or ()] == [text, "three"]
