"""The watch over a process's CPU: it tells when the work was over."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.cancelling import CpuWatch


def test_the_end_of_work_is_the_end_of_the_last_busy_window() -> None:
    watch = CpuWatch(psutil.Process())
    watch.looks = [(100 + 0.02 * look, min(0.02 * look, 1.0)) for look in range(100)]
    assert watch.last_busy(100.0) == pytest.approx(101.06, abs=0.03)
    assert watch.last_busy(101.5) == 101.5


def test_a_process_and_its_children_are_watched() -> None:
    busy = "import time\nuntil = time.monotonic() + 0.6\nwhile time.monotonic() < until: pass\ntime.sleep(30)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent])
    try:
        watch, began = CpuWatch(psutil.Process(process.pid)), time.time()
        with watch.watching():
            time.sleep(2.5)
        assert began + 0.5 < watch.last_busy(began) < began + 2.4
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()
