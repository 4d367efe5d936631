"""`woa evaluate` as people run it: one real clip from end to end, and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Woa


@pytest.fixture
def manifest(tmp_path: Path, jfk: Path) -> Path:
    path = tmp_path / "set.jsonl"
    text = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country"
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    rows = [
        {"id": "jfk", "lang": "en", "path": str(jfk), "text": text},
        {"id": "broken", "lang": "en", "path": "broken.wav", "text": "never heard"},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.models
def test_a_set_is_run_kept_shown_and_compared(woa: Woa, manifest: Path, tmp_path: Path) -> None:
    done = woa(
        "evaluate", str(manifest), "--option", "vad.enabled=false", "--output", "a.json", "--page", "a.html", "--json"
    )
    assert done.returncode == 1, done.stderr  # one of them failed
    assert "en/broken: The file is no audio" in done.stderr
    figures = json.loads(done.stdout)
    assert figures["overall"]["figures"]["wer"]["errors"] == 2
    assert figures["conditions"]["request"] == {"vad": {"enabled": False}}
    assert figures["conditions"]["model"] == "tiny.en"
    assert "country" not in done.stdout
    assert "en/jfk" in (tmp_path / "a.html").read_text()
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["files"][0]["hypothesis"].endswith("what you can do for your country")

    again = woa("evaluate", "a.json", "--against", "a.json", "--strict")
    assert again.returncode == 0, again.stderr
    assert "Good enough" in again.stdout
    worse = json.loads((tmp_path / "a.json").read_text())
    worse["files"][0]["words"]["deletions"] = 20
    (tmp_path / "b.json").write_text(json.dumps(worse))
    gate = woa("evaluate", "b.json", "--against", "a.json", "--tolerance", "5", "--strict", "--page", "b.html")
    assert gate.returncode == 1
    assert "en/jfk: WER 0 → 20 of 22" in gate.stdout
    assert "What changed" in (tmp_path / "b.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set.jsonl", "--option", "nonsense=1"], "nonsense: Extra inputs"),
        (["set.jsonl", "--option", "vad"], "give NAME=VALUE"),
        (["set.jsonl", "--option", "model=x", "--option", "model.y=1"], "model has no options of its own"),
        (["set.jsonl", "--option", "task=translate", "--model", "base"], "task must be transcribe"),
        (["set.jsonl", "--model", "no-such-model"], "no-such-model"),
        (["set.jsonl", "--output", "set.jsonl"], "is there already"),
        (["none.jsonl"], "none.jsonl cannot be read"),
        (["none.json"], "none.json cannot be read"),
        (["none.json", "--model", "base"], "belong to a manifest"),
        (["none.json", "--language", "manifest"], "--language: a result is there already"),
        (["none.json", "--seed", "1", "--server", "http://localhost"], "--seed, --server: a result is there already"),
        (["set.jsonl", "--strict"], "--strict: there is nothing to compare with"),
        (["none.json", "--tolerance", "0", "--language-tolerance", "2"], "--tolerance, --language-tolerance: there is"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(arguments: list[str], said: str, woa: Woa, manifest: Path) -> None:
    done = woa("evaluate", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_libraries(woa: Woa, manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "meeteval.py").write_text("raise ImportError('not here')\n")
    done = woa("evaluate", str(manifest), more={"PYTHONPATH": f"{tmp_path / 'hidden'}:{Path(__file__).parents[2]}"})
    assert done.returncode == 1
    assert "Evaluation needs meeteval: install it with `pip install 'world-of-asr[evaluation]'`." in done.stderr


def test_what_was_normalised_otherwise_is_refused_before_any_work(woa: Woa, manifest: Path, tmp_path: Path) -> None:
    summary = {"files": 0, "failed": 0, "seconds": 0, "figures": {}, "stages": {}}
    conditions: dict[str, Any] = {
        "set_name": "s",
        "set_sha256": "0",
        "request": {},
        "language": "manifest",
        "program": "0",
    }
    conditions |= {"normalisers": {"en": "another"}, "collar": 0, "seed": 0, "machine": "m"}
    kept = {"made_at": "", "conditions": conditions, "overall": summary, "languages": {}, "files": []}
    (tmp_path / "old.json").write_text(json.dumps(kept))
    done = woa("evaluate", str(manifest), "--against", "old.json")
    assert done.returncode == 1
    assert "The runs normalised the text of en in different ways." in done.stderr
    assert "broken" not in done.stderr
