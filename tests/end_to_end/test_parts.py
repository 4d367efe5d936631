"""A long recording in parts, through the whole product: the words are those of the recording in one go."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from audio.samples import SAMPLE_RATE
from benchmarks.stack import Stack, running_stack
from tests.conftest import Clip
from tests.providers.conftest import Decode, decode

__all__ = ["decode"]
pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]
SECONDS = 150
PARTS = {"model_slots": "2", "piece_seconds": "30", "parts_from_seconds": "40"}


@pytest.fixture
def long(tmp_path: Path, clips: list[Clip], decode: Decode) -> Path:
    """Different people, one after the other, for some minutes."""
    heard = [decode(clip.path) for clip in clips if clip.language == "en"]
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    samples = np.concatenate([part for clip in heard for part in (clip, pause)])
    samples = np.tile(samples, SECONDS * SAMPLE_RATE // samples.size + 1)
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def transcribed(stack: Stack, client: httpx.Client, file_id: str, **more: Any) -> dict[str, Any]:
    body = {"file_ids": [file_id], "model": "tiny.en", "cache": "refresh", **more}
    job_id = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
    job = stack.finished(client, job_id)
    assert job["status"] == "completed", job
    document: dict[str, Any] = client.get(f"/results/{job_id}/json").json()
    return {**job, "segments": document["segments"]}


def test_the_words_are_the_same(tmp_path: Path, models_dir: Path, tiny_en: Path, long: Path) -> None:
    with running_stack(tmp_path / "parts", models_dir, **PARTS) as stack, stack.client() as client:
        (file_id,) = stack.upload(client, long)
        shared = transcribed(stack, client, file_id)
        runs = httpx.post(f"{stack.prefect_url}/flow_runs/filter", json={}, trust_env=False).json()
        names = sorted(run["name"].removeprefix(shared["job_id"]) for run in runs if shared["job_id"] in run["name"])
        assert names == ["", "-part-1", "-part-2"]
        assert shared["attempt"] == 2
    alone = PARTS | {"parts_from_seconds": "0"}
    with running_stack(tmp_path / "whole", models_dir, **alone) as stack, stack.client() as client:
        (file_id,) = stack.upload(client, long)
        whole = transcribed(stack, client, file_id)
        assert whole["attempt"] == 1
    assert shared["segments"] == whole["segments"]
