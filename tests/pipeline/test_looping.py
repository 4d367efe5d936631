"""The loop of the storage: it answers any thread, and nobody who leaves waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from pipeline.looping import LoopThread

_LEAVE = """
import asyncio
from pipeline.looping import LoopThread
loop = LoopThread("left open")
print(loop.wait(asyncio.sleep(0, "answered")))
"""


def test_every_call_runs_on_the_same_loop_and_errors_come_through() -> None:
    loop = LoopThread("test")

    async def where() -> tuple[int, asyncio.AbstractEventLoop]:
        return threading.get_ident(), asyncio.get_running_loop()

    async def broken() -> None:
        raise ZeroDivisionError

    assert loop.wait(where()) == loop.wait(where())
    assert loop.wait(where())[0] != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        loop.wait(broken())
    loop.close()


def test_a_process_that_leaves_it_open_ends() -> None:
    left = subprocess.run([sys.executable, "-c", _LEAVE], capture_output=True, text=True, timeout=60, check=True)
    assert left.stdout.strip() == "answered"
