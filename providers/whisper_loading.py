"""faster-whisper's models: what a folder holds, how it is loaded, and how every call takes its turn."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import cuda
from engine.device import Device
from engine.engine import Engine
from engine.waiting import Cancelled
from providers.base import Watch
from providers.whisper_errors import NAME, translated
from speech.errors import JobCancelled, ModelUnavailable
from weights.languages import ENGLISH, WHISPER, WHISPER_V3
from weights.store import WeightStore

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_MULTILINGUAL_TOKENS = 51865
_BYTES_PER_WEIGHT = {"int8": 1.0, "int16": 2.0, "float16": 2.0, "bfloat16": 2.0, "float32": 4.0}
_STORED_BYTES_PER_WEIGHT = 2.0
_WORKING_BYTES = 300_000_000


def bytes_per_weight(compute_type: str) -> float:
    """Bytes that one weight takes in memory; ``int8_float16`` and the like keep their weights in int8."""
    return _BYTES_PER_WEIGHT[compute_type.partition("_")[0]]


def memory_of(folder: Path, compute_type: str) -> int:
    """About how many bytes the model in the folder takes loaded, from the size of its file of float16 weights."""
    weights = (folder / "model.bin").stat().st_size / _STORED_BYTES_PER_WEIGHT
    return int(weights * bytes_per_weight(compute_type)) + _WORKING_BYTES


def languages_of(folder: Path) -> tuple[str, ...]:
    """The languages of the Whisper model in a folder, told from the size of its vocabulary.

    Raises:
        ModelUnavailable: when the folder holds no vocabulary that can be read.

    """
    try:
        size = _vocabulary_size(folder)
    except (OSError, ValueError):
        raise ModelUnavailable(f"The model in {folder} has no vocabulary that can be read.") from None
    if size < _MULTILINGUAL_TOKENS:
        return ENGLISH
    return WHISPER if size == _MULTILINGUAL_TOKENS else WHISPER_V3


def borrowed(
    engine: Engine, weights: WeightStore, model: str, cancelled: Cancelled | None = None
) -> AbstractContextManager[WhisperModel]:
    """The model from the engine's memory, for as long as one piece of work lasts: whatever that is, recognition or
    alignment, it shares one copy."""
    device = engine.device
    entry = weights.entry(model)
    path = weights.path(model)
    size = entry.memory_bytes(bytes_per_weight(device.compute_type)) if entry else memory_of(path, device.compute_type)
    key = (NAME, weights.digest(model), device.compute_type)
    return engine.pool.borrow(key, lambda: load(path, device, engine.slots), size, cancelled=cancelled)


def load(folder: Path, device: Device, slots: int) -> WhisperModel:
    """Load a model onto the device, from the folder alone: never over the network.

    Raises:
        ModelUnavailable: when files are missing or broken.
        ProviderUnavailable: when the device cannot run it now.

    """
    if not (folder / "tokenizer.json").is_file():  # faster-whisper would ask the hub for one
        raise ModelUnavailable(f"The model in {folder} has no tokenizer.json: put it there, or pull it anew.")
    with translated(loading=folder):
        if device.kind == "cuda":
            cuda.preload()
        from faster_whisper import WhisperModel

        return WhisperModel(
            str(folder),
            device=device.kind,
            device_index=device.index,
            compute_type=device.compute_type,
            cpu_threads=device.threads,
            num_workers=slots,
            local_files_only=True,
        )


def for_one_job(model: WhisperModel, engine: Engine, watch: Watch) -> WhisperModel:
    """The same model as one recognition sees it: each call of the network takes a turn on the device.

    The weights are shared. The feature extractor is copied because ``chunk_length`` changes it for good.
    """
    mine = copy.copy(model)
    mine.feature_extractor = copy.copy(model.feature_extractor)
    mine.model = TurnTaking(model.model, engine, watch)
    return mine


class TurnTaking:
    """A CTranslate2 Whisper whose calls each hold one of the engine's slots, and no longer than the call.

    Between its calls a job holds nothing, so a short job beside a long one waits for one call, not for the end.
    """

    def __init__(self, network: Any, engine: Engine, watch: Watch) -> None:
        self._network = network
        self._engine = engine
        self._cancelled = watch.cancelled
        self.heard_languages: list[str] = []
        """The most probable language of each window, in the order in which they were looked at."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        """Audio features to encoder states."""
        return self._take_turn(self._network.encode, *args, **kwargs)

    def detect_language(self, *args: Any, **kwargs: Any) -> Any:
        """The probabilities of the languages of each window."""
        found = self._take_turn(self._network.detect_language, *args, **kwargs)
        self.heard_languages += [window[0][0][2:-2] for window in found]
        return found

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Encoder states to tokens."""
        return self._take_turn(self._network.generate, *args, **kwargs)

    def align(self, *args: Any, **kwargs: Any) -> Any:
        """Where in the audio each token was spoken."""
        return self._take_turn(self._network.align, *args, **kwargs)

    def _take_turn(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._cancelled():
            raise JobCancelled("The job was cancelled while it was recognised.")
        with self._engine.slot(self._cancelled):
            return call(*args, **kwargs)


def _vocabulary_size(folder: Path) -> int:
    listed = folder / "vocabulary.json"
    if listed.is_file():
        return len(json.loads(listed.read_text(encoding="utf-8")))
    with (folder / "vocabulary.txt").open(encoding="utf-8") as lines:
        return sum(1 for _ in lines)
