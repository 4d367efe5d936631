"""What others use of the machine is not what a benchmark itself uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.others import Others


def test_own_work_and_that_of_children_does_not_count() -> None:
    work = "import time\nuntil = time.process_time() + 1.0\nwhile time.process_time() < until: pass"
    others, began = Others(), time.monotonic()
    subprocess.run([sys.executable, "-c", work], check=True)
    seconds = time.monotonic() - began
    share = others.share()
    assert 0.0 <= share <= 1.0 - 0.9 / (seconds * (os.cpu_count() or 1))
