"""Marks and capitals by the ONNX models of `punctuators`: one network that says both for each piece of a word.

The library cuts words into pieces, runs the network and writes text; what it writes is laid over the words, so that
a piece that it does not know, or an acronym that it would dot, leaves its word as it was.
Source: https://github.com/1-800-BAD-CODE/punctuators
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from providers.context import ProviderContext
from providers.punctuator import Gaps, Punctuator
from providers.punctuators_files import ModelFiles, place, ready
from providers.role import Availability, StepCapabilities, StepWatch
from providers.windows import Window, paragraphs, windows
from providers.writing import UNSPACED, Writing, written_by
from speech.errors import JobCancelled, ModelNotFound, ModelUnavailable, ProviderUnavailable
from weights.snapshots import Snapshot

if TYPE_CHECKING:
    from punctuators.models import PunctCapSegModelONNX

WINDOW, MARGIN = 120, 20
"""Words that the network sees at once, and how many of them at each side are only context."""
PAUSE = 2.0
"""Seconds of silence over which no sentence reaches."""
BATCH = 8
"""Windows of one call."""
_OVERLAP = 16
_LIBRARIES = ("punctuators", "onnxruntime", "sentencepiece", "torch", "omegaconf")


class Punctuators(Punctuator):
    """The model that the settings name, on this machine."""

    name: ClassVar[str] = "punctuators"
    title: ClassVar[str] = "ONNX punctuation models"
    version: ClassVar[str] = "1"

    def __init__(self, context: ProviderContext) -> None:
        self._settings = context.settings
        self._engine = context.engine
        self._hashing = threading.Lock()
        self._hashed: tuple[object, str] | None = None

    @property
    def abilities(self) -> StepCapabilities:
        """The languages that the model's own file names, or the settings."""
        return StepCapabilities(local=True, languages=self._languages())

    def availability(self) -> Availability:
        """Whether the libraries are installed and the model is here, or its languages are known before it is."""
        missing = [name for name in _LIBRARIES if find_spec(name) is None]
        if missing:
            return Availability(
                False, f"{' and '.join(missing)} cannot be imported.", "pip install 'world-of-asr[punctuation-onnx]'"
            )
        folder = place(self._settings)
        if folder is None:
            return Availability(
                False, "No model is set.", "Set WOA_PUNCTUATION_MODEL to a folder, or owner/name@commit."
            )
        if folder.is_dir():
            return _usable(folder)
        if Snapshot.named(self._settings.punctuation_model or "") is None:
            return Availability(
                False, f"There is no folder {folder}.", "Set WOA_PUNCTUATION_MODEL to a model's folder."
            )
        if self._settings.offline or not self._settings.punctuation_languages:
            return Availability(
                False,
                "The model is not on disk yet.",
                f"Put its files into {folder}, or let it be fetched: WOA_OFFLINE=false, and its languages in "
                "WOA_PUNCTUATION_LANGUAGES.",
            )
        return Availability(True)

    def digest(self) -> str:
        """``sha256:...`` over the files of the model; fetches them when they are not on disk yet."""
        files = ready(self._settings)
        with self._hashing:
            state = (files.folder, files.state())
            if self._hashed is None or self._hashed[0] != state:
                self._hashed = (state, files.digest())
            return self._hashed[1]

    def engine_version(self) -> str:
        """The libraries that decide what is written."""
        return ", ".join(f"{name} {version_of(name)}" for name in ("punctuators", "onnxruntime", "sentencepiece"))

    def _languages(self) -> tuple[str, ...]:
        if self._settings.punctuation_languages:
            return tuple(self._settings.punctuation_languages)
        folder = place(self._settings)
        try:
            return ModelFiles.found(folder).languages if folder else ()
        except (ModelNotFound, ModelUnavailable):
            return ()

    def _punctuate(self, words: Sequence[str], language: str, watch: StepWatch, gaps: Gaps | None) -> tuple[str, ...]:
        spaced = language.split("-")[0] not in UNSPACED
        written = list(words)
        seen = [part for start, stop in paragraphs(len(words), gaps, PAUSE) for part in _windows(start, stop)]
        files = ready(self._settings)
        # The library never ends where its overlap is as long as what the network sees.
        overlap = min(_OVERLAP, files.max_length // 4)
        with self._borrowed(files, watch) as model:
            for number in range(0, len(seen), BATCH):
                batch = seen[number : number + BATCH]
                texts = [_plain(words[window.start : window.stop], spaced) for window in batch]
                for window, text in zip(batch, self._run(model, texts, overlap, watch), strict=True):
                    new, _ = written_by(words[window.start : window.stop], text, spaced)
                    taken = new[window.first - window.start : window.last - window.start]
                    written[window.first : window.last] = taken
                watch.advanced(batch[-1].last / len(words))
        return tuple(written)

    def _run(self, model: PunctCapSegModelONNX, texts: Sequence[str], overlap: int, watch: StepWatch) -> Iterator[str]:
        """What the model writes for each text of a batch."""
        if watch.cancelled():
            raise JobCancelled("The job was cancelled while its text was punctuated.")
        spoken = [text for text in texts if text]
        with self._engine.slot(watch.cancelled):
            new = iter(model.infer(spoken, apply_sbd=False, overlap=overlap) if spoken else ())
        for text in texts:
            yield next(new) if text else ""

    @contextmanager
    def _borrowed(self, files: ModelFiles, watch: StepWatch) -> Iterator[PunctCapSegModelONNX]:
        kind = self._engine.device.kind
        key = (self.name, self.digest(), kind)
        with self._engine.pool.borrow(
            key, lambda: _load(files, kind), files.memory_bytes, cancelled=watch.cancelled
        ) as model:
            yield model


def _usable(folder: Path) -> Availability:
    try:
        ModelFiles.found(folder)
    except (ModelNotFound, ModelUnavailable) as error:
        return Availability(False, error.message, "Put the model's files there, or set WOA_PUNCTUATION_MODEL anew.")
    return Availability(True)


def _windows(start: int, stop: int) -> Iterator[Window]:
    return windows(start, stop, WINDOW, MARGIN)


def _plain(words: Sequence[str], spaced: bool) -> str:
    """The words as the models were taught: in small letters and without marks."""
    cores = (Writing.of(word).core.lower() for word in words)
    return (" " if spaced else "").join(core for core in cores if core)


def _load(files: ModelFiles, kind: str) -> PunctCapSegModelONNX:
    """Load the model from its folder, never over the network.

    Raises:
        ModelUnavailable: when a file is broken.

    """
    try:
        from punctuators.models import PunctCapSegModelONNX
        from punctuators.models.punc_cap_seg_model import PunctCapSegConfigONNX
    except ImportError as error:
        raise ProviderUnavailable(f"punctuators cannot be imported: {error}.", Punctuators.name) from error
    providers = ["CPUExecutionProvider"] if kind == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    config = PunctCapSegConfigONNX(
        spe_filename=files.vocabulary, model_filename=files.network, directory=str(files.folder)
    )
    try:
        return PunctCapSegModelONNX(config, ort_providers=providers)
    except Exception as error:
        # onnxruntime, sentencepiece and omegaconf each have errors of their own for a broken file.
        raise ModelUnavailable(f"The model in {files.folder} is incomplete or broken.") from error
