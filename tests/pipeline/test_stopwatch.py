"""Work counts, waiting for the device does not."""

from __future__ import annotations

import threading
import time

from engine.slots import Slots
from pipeline.stopwatch import Stopwatch


def test_waiting_for_a_turn_is_no_work() -> None:
    slots, clock = Slots(1), Stopwatch()
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with slots.turn():
            held.set()
            enough.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.5, enough.set).start()
    began = time.perf_counter()
    with clock.stage("transcribe"), slots.turn():
        waited = time.perf_counter() - began
    holder.join()
    assert waited >= 0.4
    assert clock.seconds["transcribe"] <= waited / 2


def test_stages_add_up() -> None:
    clock = Stopwatch({"render": 1.0})
    with clock.stage("render"):
        pass
    assert clock.seconds["render"] >= 1.0
