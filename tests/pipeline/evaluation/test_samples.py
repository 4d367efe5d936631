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
