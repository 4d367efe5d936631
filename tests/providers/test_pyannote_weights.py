"""What is said before anything is loaded: which weights are meant, and what is missing for them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from providers import pyannote_weights
from providers.context import ProviderContext
from providers.pyannote_diarizer import PyannoteDiarizer
from speech.settings import Settings
from tests.weights.test_layouts import DIGEST, pipeline_folder
from tests.weights.test_store import by_hand
from weights.store import WeightStore


def diarizer(folder: Path, **values: Any) -> PyannoteDiarizer:
    settings = Settings(_env_file=None, data_dir=folder, device="cpu", **values)  # type: ignore[call-arg]
    return PyannoteDiarizer(
        ProviderContext(settings, WeightStore.from_settings(settings), Engine.from_settings(settings))
    )


@pytest.fixture(autouse=True)
def _everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WOA_MODELS_DIR", raising=False)
    monkeypatch.setattr(pyannote_weights, "_importable", lambda name: True)


def test_weights_of_wheels_may_come_later_even_offline(tmp_path: Path) -> None:
    assert diarizer(tmp_path, offline=True).availability().available


def test_without_pip_they_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyannote_weights, "find_spec", lambda name: None)
    found = diarizer(tmp_path).availability()
    assert not found.available
    assert "woa models pull pyannote" in (found.mend or "")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyannote_weights, "_importable", lambda name: name == "torch")
    found = diarizer(tmp_path).availability()
    assert not found.available
    assert found.reason == "torchaudio and pyannote.audio cannot be imported."
    assert "world-of-asr[diarization]" in (found.mend or "")


@pytest.mark.parametrize("name", ["pyannote-community-1", "pyannote/speaker-diarization-community-1"])
def test_the_pipeline_of_the_hub_needs_a_token_and_the_hub(name: str, tmp_path: Path) -> None:
    without = diarizer(tmp_path, diarization_model=name).availability()
    assert not without.available
    assert "WOA_HUB_TOKEN" in (without.mend or "")
    offline = diarizer(tmp_path, diarization_model=name, hub_token="hf_secret", offline=True).availability()
    assert not offline.available
    assert "offline" in (offline.reason or "")
    assert diarizer(tmp_path, diarization_model=name, hub_token="hf_secret").availability().available
    pipeline_folder(tmp_path / "models" / "pyannote-community-1")
    assert diarizer(tmp_path, diarization_model=name, offline=True).availability().available


def test_a_folder_with_a_pipeline_is_taken(tmp_path: Path) -> None:
    mine = pipeline_folder(tmp_path / "mine")
    found = diarizer(tmp_path, diarization_model=str(mine))
    assert found.availability().available
    assert found.digest() == DIGEST


def test_what_tells_nobody_apart_is_refused(tmp_path: Path) -> None:
    whisper = by_hand(tmp_path / "whisper")
    for name in ("base", "nothing", str(whisper), str(tmp_path / "absent")):
        found = diarizer(tmp_path, diarization_model=name).availability()
        assert not found.available, name
        assert "WOA_DIARIZATION_MODEL" in (found.mend or ""), name


def test_looking_for_packages_imports_none() -> None:
    assert pyannote_weights._PACKAGES == ("torch", "torchaudio", "pyannote.audio")
    assert importlib.util.find_spec("torch") is not None
