"""Memory does not grow with the length of a recording: neither the child's nor ours."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from audio.decode import decode
from audio.limits import Limits
from audio.pieces import cut
from audio.quality import measure
from audio.spool import Spool
from audio.vad import VoiceActivity, speech_spans
from speech.options import VadOptions

from .conftest import RATE, wav

MIB = 1 << 20
MINUTES = 20


class Peak:
    """The largest resident memory of this process and of its children, sampled while a block runs."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self.before = self._process.memory_info().rss
        self.own, self.childs = self.before, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.own - self.before

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.own = max(self.own, self._process.memory_info().rss)
            for child in self._process.children():
                try:
                    # Before it is the decoder, a child shares, and seems to have, all memory of its parent.
                    if "-I" in child.cmdline():
                        self.childs = max(self.childs, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


@pytest.fixture
def twenty_minutes(tmp_path: Path) -> Path:
    """Stereo 44.1 kHz, over 200 MB decoded by FFmpeg, none on disk: the file is sparse."""
    path = tmp_path / "long.wav"
    size = MINUTES * 60 * 44_100 * 4
    path.write_bytes(wav(b"", rate=44_100, channels=2, claimed=size))
    os.truncate(path, path.stat().st_size + size)
    return path


def test_decoding_takes_as_much_memory_as_for_a_short_file(
    twenty_minutes: Path, tmp_path: Path, limits: Limits
) -> None:
    with Peak() as peak:
        spool = decode(twenty_minutes, tmp_path / "out.pcm", replace(limits, memory_bytes=400 * MIB))
    assert spool.duration == pytest.approx(MINUTES * 60, abs=0.1)
    assert 20 * MIB < peak.childs < 100 * MIB
    assert peak.growth < 20 * MIB


def test_what_comes_after_reads_by_windows(tmp_path: Path) -> None:
    path = tmp_path / "long.pcm"
    path.touch()
    os.truncate(path, MINUTES * 60 * RATE * 2)
    activity = VoiceActivity.load()
    with Peak() as peak:
        spool = Spool.at(path)
        spans = speech_spans(activity.probabilities(spool), VadOptions(), spool.duration)
        cut(spans, 300)
        measure(spool, spans)
    assert spool.duration == MINUTES * 60
    # One batch of the network takes about 40 MiB; the whole recording as float32 would take twice 77.
    assert peak.growth < 100 * MIB
