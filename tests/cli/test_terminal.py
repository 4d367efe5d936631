"""What is shown, where, and how."""

from __future__ import annotations

import io
import os
import pty
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from cli.terminal import bar, clock, colours, emit, emit_json, emit_line, emit_path, interactive, size, table, tell


def test_results_and_words_to_people_go_apart(capsys: pytest.CaptureFixture[str]) -> None:
    emit("a result")
    emit("another\n")
    emit_line({"n": 1})
    emit_json(["ü"])
    tell("a word")
    said = capsys.readouterr()
    assert said.out == 'a result\nanother\n{"n": 1}\n[\n  "ü"\n]\n'
    assert said.err == "a word\n"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (9.96, "0:10.0"), (62.54, "1:02.5"), (3661.05, "1:01:01.0"), (-1, "0:00.0")]
)
def test_positions(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "unknown"), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (78_100_000, "78.1 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes(count: int | None, shown: str) -> None:
    assert size(count) == shown


def test_tables_line_up_without_frames() -> None:
    assert table(["A", "LONG"], [["xyz", "1"], ["", "2"]]) == "A    LONG\nxyz  1\n     2"


def test_progress_is_lines_where_no_bar_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Work", total=200) as progress:
        for done in range(0, 201, 5):
            progress.update(done)
        progress.update(200, note="done")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        *(f"Work: {percent} %" for percent in range(0, 101, 10)),
        "Work: 100 % (done)",
    ]


def test_progress_without_a_total(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Work") as progress:
        progress.update(5, note="somewhere")
        progress.update(10)
        progress.update(10, total=20)
    assert capsys.readouterr().err.splitlines() == ["Work: (somewhere)", "Work: 50 % (somewhere)"]


def _all_of(master: int) -> str:
    """What was written to a terminal that is closed: it comes through in pieces."""
    shown = b""
    with suppress(OSError), os.fdopen(master, "rb", buffering=0) as screen:  # EIO is its end
        while piece := screen.read(65536):
            shown += piece
    return shown.decode()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with bar("Work [x]", total=10) as progress:
            progress.update(5, note="half")
            progress.update(10, total=20, note="less")
        assert interactive(terminal)
        assert not colours(terminal)
    shown = _all_of(master)
    assert "Work [x]" in shown
    assert "50%" in shown


def test_names_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell("\x1b]0;owned\x07\x1b[2J\x9b.wav\tone\nline")
    assert capsys.readouterr().err == "\\x1b]0;owned\\x07\\x1b[2J\\x9b.wav\tone\nline\n"
    assert "\x1b" not in table(["name"], [["\x1b[2J"]])


def test_names_that_are_no_text_come_out_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    emit_path(Path(os.fsdecode(b"caf\xe9.vtt")))
    emit_json({"input": os.fsdecode(b"caf\xe9")})
    assert capfdbinary.readouterr().out == b'caf\xe9.vtt\n{\n  "input": "caf\\udce9"\n}\n'


@pytest.mark.parametrize("kind", ["", "dumb"])
def test_a_dumb_terminal_gets_no_bar(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", kind)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal: TextIO = Terminal()
    assert not interactive(terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours(terminal)
