"""Fixtures that every folder of tests uses: settings in a folder of their own, real clips, real weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from speech.settings import Settings
from tests.prefect_server import prefect_server

__all__ = ["prefect_server"]

ROOT = Path(__file__).parent.parent
AUDIO = Path(__file__).parent / "data" / "audio"
MODELS = ROOT / "var" / "models"

# How fast this machine is at the moment is nothing that a property depends on.
hypothesis_settings.register_profile(
    "any-machine", hypothesis_settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any-machine")


@dataclass(frozen=True)
class Clip:
    """A real recording with its reference text."""

    name: str
    language: str
    path: Path
    text: str
    duration: float


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """All real utterances of tests/data/audio."""
    lines = (AUDIO / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [Clip(row["id"], row["lang"], AUDIO / row["path"], row["text"], row["duration"]) for row in rows]


@pytest.fixture(scope="session")
def jfk() -> Path:
    """Eleven seconds of clear English speech."""
    return AUDIO / "en" / "jfk.flac"


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of real weights; it is kept between runs."""
    MODELS.mkdir(parents=True, exist_ok=True)
    return MODELS


@pytest.fixture
def settings(tmp_path: Path, models_dir: Path) -> Settings:
    """Settings that keep everything but the weights in a folder of this test."""
    return Settings(_env_file=None, data_dir=tmp_path / "data", models_dir=models_dir)  # type: ignore[call-arg]
