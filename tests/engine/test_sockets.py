"""Where engines listen: for their user alone, at paths of any length, and without leaving anything behind."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.sockets import Listener, address_of, sweep, user_of


def _connect(path: Path) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX)
    with address_of(path) as address:
        caller.connect(address)
    return caller


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_user_may_enter(tmp_path: Path) -> None:
    listener = Listener.open(tmp_path / "run" / "engines")
    assert (_mode(listener.path.parent), _mode(listener.path)) == (0o700, 0o600)
    with _connect(listener.path) as caller:
        assert user_of(caller) == os.geteuid()
    listener.remove()
    assert not listener.path.exists()


def test_a_folder_that_others_may_enter_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    folder.mkdir(mode=0o755)
    Listener.open(folder).remove()
    assert _mode(folder) == 0o700


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="another user"):
        Listener.open(tmp_path / "engines")


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Listener.open(tmp_path / "file" / "engines")


def test_a_path_that_is_too_long_for_an_address(tmp_path: Path) -> None:
    listener = Listener.open(tmp_path / ("long" * 30) / "engines")
    assert len(str(listener.path)) > 107
    _connect(listener.path).close()
    assert sweep(listener.path.parent) == 0
    listener.remove()
    assert list(listener.path.parent.glob("*.sock")) == []


def test_two_processes_share_a_folder_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    script = (
        "import os, sys; from pathlib import Path; from engine.sockets import Listener\n"
        "held = Listener.open(Path(sys.argv[1])); print(held.path, flush=True); os.read(0, 1)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        mine = Listener.open(folder)
        assert {theirs, mine.path} == set(folder.glob("*.sock"))
        _connect(theirs).close()
        other.kill()
    assert theirs.exists()
    again = Listener.open(folder)
    assert set(folder.glob("*.sock")) == {mine.path, again.path}
    mine.remove()
    again.remove()
