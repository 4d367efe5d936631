"""The demonstration, as `make demo` runs it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cli.demo import RECORDING
from tests.cli.conftest import Woa


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.models
def test_it_shows_a_transcript_that_went_through_prefect_though_the_usual_ports_are_taken(
    woa: Woa, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = woa("demo", more={"WOA_API_PORT": str(port)})
    assert done.returncode == 0, done.stderr
    assert f":{port}/" not in done.stdout
    assert "ask what you can do for your country" in done.stdout
    assert "[0:0" in done.stdout
    assert "WEBVTT" in done.stdout
    assert "state      Completed" in done.stdout
    assert "Stopped cleanly." in done.stdout
    results = tmp_path / "data" / "results"
    assert sorted(path.name for path in results.iterdir()) == ["jfk.json", "jfk.srt", "jfk.txt", "jfk.vtt"]
    document = json.loads((results / "jfk.json").read_text())
    assert document["provider"] == "faster_whisper"
    assert (results / "jfk.vtt").read_text().rstrip() in done.stdout


def test_its_recording_is_there() -> None:
    assert RECORDING.is_file()


def test_a_recording_that_is_not_there(woa: Woa) -> None:
    done = woa("demo", "nothing.wav")
    assert done.returncode == 1
    assert "nothing.wav" in done.stderr
