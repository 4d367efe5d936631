"""The engine: a device, its models and its turns, cheap to make."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.device import Device
from engine.engine import Engine
from engine.pool import ModelPool
from speech.errors import ModelUnavailable
from speech.settings import GIB, Settings

CPU = Device("cpu", 0, "int8", 2, 8 * GIB)


def test_the_engine_counts_what_it_does() -> None:
    engine = Engine(CPU, ModelPool(100), slots=2)
    with engine.slot(), engine.pool.borrow("a", object, 10):
        stats = engine.stats()
        assert (stats.slots, stats.busy, stats.waiting) == (2, 1, 0)
        assert [model.users for model in stats.pool.models] == [1]
    assert engine.stats().busy == 0


def test_closing_unloads() -> None:
    engine = Engine(CPU, ModelPool(100))
    with engine.pool.borrow("a", object, 10):
        pass
    engine.close()
    assert engine.stats().pool.models == ()
    with pytest.raises(ModelUnavailable), engine.pool.borrow("a", object, 10):
        raise AssertionError("it was lent")


def test_settings_decide_slots_and_memory() -> None:
    engine = Engine.from_settings(
        Settings(_env_file=None, device="cpu", model_slots=3, model_memory_bytes=5 * GIB, model_idle_seconds=7)
    )
    assert (engine.slots, engine.pool.memory_bytes, engine.pool.idle_seconds) == (3, 5 * GIB, 7)
    half = Engine.from_settings(Settings(_env_file=None, device="cpu"))
    assert half.pool.memory_bytes == half.device.memory_bytes // 2


def test_making_one_imports_no_inference_library() -> None:
    script = (
        "import sys; from engine.engine import Engine; from speech.settings import Settings; "
        "Engine.from_settings(Settings(_env_file=None)); "
        "print([name for name in ('ctranslate2', 'faster_whisper', 'torch', 'numpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
