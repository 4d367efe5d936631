"""`woa transcribe` in one process: no server, no Prefect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli.inputs import Input
from cli.recognition import Words, transcribe_all
from tests.cli.conftest import Woa


@pytest.mark.models
def test_files_and_folders_here(woa: Woa, jfk: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    (calls / "a").mkdir(parents=True)
    shutil.copy(jfk, calls / "talk.flac")
    shutil.copy(jfk, calls / "a" / "talk.flac")
    (calls / "broken.wav").write_bytes(b"no audio")
    done = woa(
        "transcribe", "calls", "--format", "txt", "--format", "json", "--output", "out", "--hotword", "Americans"
    )
    assert done.returncode == 1
    assert "broken.wav: " in done.stderr
    assert "1 of 3 recordings failed." in done.stderr
    assert done.stdout.split() == ["out/talk.txt", "out/talk.json", "out/talk.flac.txt", "out/talk.flac.json"]
    text = (tmp_path / "out" / "talk.txt").read_text()
    assert "ask what you can do for your country" in text
    document = json.loads((tmp_path / "out" / "talk.json").read_text())
    assert document["model"] == "tiny.en"
    assert document["segments"][0]["words"]
    assert not (tmp_path / "data" / "woa.db").exists()


@pytest.mark.models
def test_to_standard_output(woa: Woa, jfk: Path) -> None:
    done = woa("transcribe", str(jfk), "--output", "-", "--no-vad", "--no-words", "--prompt", "A speech.")
    assert done.returncode == 0
    assert done.stdout.startswith("WEBVTT\n")
    assert "country" in done.stdout
    assert not jfk.with_suffix(".vtt").exists()


def test_as_json_with_a_failure(woa: Woa, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"")
    done = woa("transcribe", "x.wav", "--json")
    assert done.returncode == 1
    (report,) = json.loads(done.stdout)
    assert (report["status"], report["code"], report["transcript"]) == ("failed", "invalid_audio", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "pdf"], "no format 'pdf'"),
        (["--language", "english"], "language: "),
        (["--output", "-", "--format", "all"], "exactly one --format"),
        (["--output", "-", "--json"], "leave out --output"),
        (["--task", "sing"], "sing"),
        (["--channels", "left"], "channels: "),
    ],
)
def test_wrong_options_are_refused_before_any_work(arguments: list[str], said: str, woa: Woa, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"")
    done = woa("transcribe", "x.wav", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.models
def test_a_channel_that_is_not_there_is_named(woa: Woa, jfk: Path) -> None:
    done = woa("transcribe", str(jfk), "--channels", "1", "--output", "-")
    assert done.returncode == 1
    assert "one channel, and so no channel 1" in done.stderr


def test_what_the_model_cannot_do_is_said(woa: Woa, jfk: Path) -> None:
    done = woa("transcribe", str(jfk), "--task", "translate", "--model", "tiny.en")
    assert done.returncode == 1
    assert "tiny.en" in done.stderr


def test_urls_are_guarded_here_too(woa: Woa) -> None:
    done = woa("transcribe", "https://127.0.0.1:1/a.mp3?sig=hush", "--model", "tiny.en")
    assert done.returncode == 1
    assert "https://127.0.0.1/a.mp3: " in done.stderr
    assert "hush" not in done.stdout + done.stderr


class _Way:
    """Fails where it is told to."""

    ahead = 2

    def __init__(self, bad: set[str]) -> None:
        self.bad = bad
        self.said: list[str] = []

    def begin(self, source: Input) -> str:
        self.said.append(f"begin {source.name}")
        if f"begin {source.name}" in self.bad:
            raise ValueError(source.name)
        return source.name

    def finish(self, source: Input, begun: str) -> Words:
        self.said.append(f"finish {begun}")
        if f"finish {begun}" in self.bad:
            raise OSError(source.name)
        return Words({"name": begun}, {})

    def abandon(self, begun: str) -> None:
        self.said.append(f"abandon {begun}")


def _inputs(names: str) -> list[Input]:
    return [Input(name, name) for name in names]


def test_one_that_fails_does_not_stop_the_others() -> None:
    way = _Way({"begin b", "finish c"})
    outcomes = list(transcribe_all(way, _inputs("abcd")))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), ValueError, OSError, type(None)]
    assert [outcome.words.document["name"] for outcome in outcomes if outcome.words] == ["a", "d"]
    assert way.said == ["begin a", "begin b", "finish a", "begin c", "begin d", "finish c", "finish d"]


def test_what_was_begun_is_abandoned_when_nobody_waits() -> None:
    way = _Way(set())
    outcomes = transcribe_all(way, _inputs("abcd"))
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert way.said == ["begin a", "begin b", "finish a", "abandon b"]
