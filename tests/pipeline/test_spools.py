"""The folders of decoded audio: swept when their process is gone, never while it lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.spools import SpoolFolder

_HOLD = """
import sys
from pathlib import Path
from pipeline.spools import SpoolFolder
folder = SpoolFolder.claim(Path(sys.argv[1]))
(folder.path / "samples.pcm").write_bytes(b"x" * 100)
print(folder.path, flush=True)
sys.stdin.read()
"""


def test_work_leaves_nothing_behind_however_it_ends(tmp_path: Path) -> None:
    folder = SpoolFolder.claim(tmp_path)
    with pytest.raises(FileNotFoundError), folder.work() as place:
        place.joinpath("samples.pcm").rename(place / "absent" / "samples.pcm")
    assert [path.name for path in folder.path.iterdir()] == ["lock"]
    folder.release()
    assert not folder.path.exists()


def test_a_killed_process_is_swept_and_a_living_one_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        SpoolFolder.claim(tmp_path).release()
        assert (held / "samples.pcm").exists()
        process.kill()
        process.wait()
    SpoolFolder.claim(tmp_path).release()
    assert not held.exists()


def test_a_folder_without_a_lock_is_rubbish(tmp_path: Path) -> None:
    (tmp_path / "process-half-made").mkdir()
    SpoolFolder.claim(tmp_path).release()
    assert not (tmp_path / "process-half-made").exists()
