"""Recordings to measure with: of the length that was asked for, no two the same."""

from __future__ import annotations

import wave
from pathlib import Path

from benchmarks.recordings import clips, long


def test_clips_have_their_length_and_bytes_of_their_own(tmp_path: Path) -> None:
    made = clips(tmp_path, 3.0, 60)
    assert len({path.read_bytes() for path in made}) == 60
    for path in made:
        with wave.open(str(path), "rb") as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 48_000)


def test_a_long_recording_is_so_long(tmp_path: Path) -> None:
    with wave.open(str(long(tmp_path / "long.wav", 2.5)), "rb") as file:
        assert file.getnframes() == 150 * 16_000
