"""The whole product, started once for all tests of this folder: `woa serve` on free ports with real weights."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.stack import Stack, running_stack
from weights.store import WeightStore


@pytest.fixture(scope="session")
def tiny_en(models_dir: Path) -> Path:
    """The weights that these tests run: pulled once, kept between runs."""
    return WeightStore(models_dir).path("tiny.en")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, tiny_en: Path) -> Iterator[Stack]:
    """A running product, whose webhooks may go to this machine."""
    hooks = {"webhook_schemes": '["http"]', "webhook_allowed_hosts": '["127.0.0.1"]'}
    with running_stack(tmp_path_factory.mktemp("stack"), models_dir, **hooks) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A client of its API."""
    with stack.client() as client:
        yield client


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of nothing."""
    path = tmp_path_factory.mktemp("audio") / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.zeros(5 * 16_000, dtype="<i2").tobytes())
    return path
