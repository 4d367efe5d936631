"""faster-whisper as its README calls it: what the product is held against."""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech.options import VadOptions


@dataclass
class BareWhisper:
    """One `WhisperModel` for each model, int8 on all cores, with VAD as a job asks for it."""

    models: Path
    vad: VadOptions = field(default_factory=VadOptions)
    _loaded: dict[str, Any] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def text(self, path: Path, model: str) -> str:
        """The text of a recording, segments joined."""
        segments, _ = self.load(model).transcribe(
            str(path),
            word_timestamps=True,
            vad_filter=self.vad.enabled,
            vad_parameters={
                "threshold": self.vad.threshold,
                "min_silence_duration_ms": int(self.vad.min_silence * 1000),
                "max_speech_duration_s": self.vad.max_segment,
            },
        )
        return " ".join(segment.text.strip() for segment in segments)

    def feed(self, paths: list[Path], model: str, at_once: int) -> None:
        """Recognise all of the recordings in a loop, so many at once on the one model."""
        with ThreadPoolExecutor(at_once) as threads:
            for _ in threads.map(lambda path: self.text(path, model), paths):
                pass

    def load(self, model: str) -> Any:
        """The model, loaded at its first use."""
        from faster_whisper import WhisperModel

        with self._loading:
            if model not in self._loaded:
                folder = next(path.parent for path in self.models.rglob("model.bin") if _is(path, model))
                threads = len(os.sched_getaffinity(0))
                self._loaded[model] = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
        return self._loaded[model]


def _is(model_file: Path, model: str) -> bool:
    return re.search(rf"(^|[-_/]){re.escape(model)}$", model_file.parent.as_posix()) is not None
