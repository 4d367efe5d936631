"""A recogniser that counts, and recordings that need no server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from audio.limits import Limits
from audio.samples import SAMPLE_RATE, Samples
from audio.vad import VoiceActivity
from engine.engine import Engine
from pipeline.recording import Recording
from providers.base import Availability, Capabilities, ModelInfo, Recogniser, RecognitionOptions, Watch
from providers.context import ProviderContext
from providers.whisper_aligner import WhisperAligner
from speech.jobs import Stage
from speech.options import TranscribeRequest
from speech.settings import Settings
from speech.transcript import Recognition, Segment, Word
from weights.store import WeightStore


class Counting(Recogniser):
    """One word a piece: how many pieces it has heard. Its weights are what ``weights`` says."""

    name: ClassVar[str] = "counting"
    title: ClassVar[str] = "Counting"
    version: ClassVar[str] = "1"
    capabilities: ClassVar[Capabilities] = Capabilities(
        local=True, languages=("en", "it"), detects_language=True, word_timestamps=True, initial_prompt=True
    )

    def __init__(self) -> None:
        self.heard: list[tuple[float, str | None]] = []
        self.weights = "sha256:one"

    def _recognise(self, samples: Samples, options: RecognitionOptions, watch: Watch) -> Recognition:
        seconds = len(samples) / SAMPLE_RATE
        self.heard.append((round(seconds, 2), options.language))
        word = Word(0.1, seconds - 0.1, str(len(self.heard)), space_before=False)
        segment = Segment(0.1, seconds - 0.1, word.text, (word,))
        watch.heard(seconds, segment)
        return Recognition((segment,), options.language or "it", 0.8)

    def _check_model(self, model: str, request: TranscribeRequest) -> None: ...

    def default_model(self) -> str:
        return "one"

    def models(self) -> tuple[ModelInfo, ...]:
        return ()

    def availability(self) -> Availability:
        return Availability(True)

    def digest(self, model: str) -> str:
        return self.weights


@dataclass
class Noting:
    """An observer that remembers what it was told."""

    told: list[tuple[Stage, float]] = field(default_factory=list)
    pieces: list[tuple[int, tuple[Segment, ...]]] = field(default_factory=list)
    stop: bool = False

    def progress(self, stage: Stage, fraction: float) -> None:
        self.told.append((stage, fraction))

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        self.pieces.append((piece, segments))

    def cancelled(self) -> bool:
        return self.stop


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def observer() -> Noting:
    return Noting()


@pytest.fixture(scope="session")
def voice_activity() -> VoiceActivity:
    return VoiceActivity.load()


@pytest.fixture
def limits(settings: Settings) -> Limits:
    return Limits.for_decoding(settings)


@pytest.fixture
def recording(jfk: Path, tmp_path: Path, limits: Limits) -> Recording:
    """Eleven seconds of speech."""
    return Recording("anna", "file-1", "jfk.flac", "a" * 64, tmp_path, limits, lambda folder: jfk)


@pytest.fixture(scope="module")
def whisper_aligner(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> WhisperAligner:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), models_dir=models_dir, device="cpu")  # type: ignore[call-arg]
    return WhisperAligner(
        ProviderContext(settings, WeightStore(models_dir, offline=True), Engine.from_settings(settings))
    )
