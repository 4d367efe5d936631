"""CTC networks in a folder: an ONNX graph or a Hugging Face checkpoint that hears samples, and its letters.

A folder holds ``model.onnx`` or what ``transformers`` loads (``config.json`` and ``model.safetensors``), and the
letters: ``vocab.json`` (letter to number, as wav2vec 2.0) or ``vocab.txt`` or ``tokens.txt`` (a letter and its number
a line, as onnx-asr and sherpa-onnx). ``preprocessor_config.json`` may say that samples are not to be normalised.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

import numpy as np

from audio.samples import Samples
from providers.emissions import Emissions
from speech.errors import ModelUnavailable

_BLANKS = ("<pad>", "<blk>", "<blank>", "[PAD]", "<eps>", "<s>", "-", "_")
_SPACES = ("|", "▁", " ", "<space>")
_SPELLED = "LMN"
"""Unicode's categories of what a word is spelled with: letters, marks such as vowel signs, digits."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The labels of a network: the number of each letter, of the blank, and of the space if it has one."""

    numbers: dict[str, int]
    blank: int
    space: int | None

    @classmethod
    def of(cls, folder: Path) -> Letters:
        """Those of a folder.

        Raises:
            ModelUnavailable: when there are none, or none of them is a blank.

        """
        numbers = _numbers(folder)
        blank = next((numbers[name] for name in _BLANKS if name in numbers), None)
        if blank is None:
            raise ModelUnavailable(f"The letters in {folder} have no blank: one of {', '.join(_BLANKS)}.")
        return cls(numbers, blank, next((numbers[name] for name in _SPACES if name in numbers), None))

    def spelled(self, word: str) -> list[int]:
        """The numbers of those letters of the word that the network knows, as written or in the other case.

        A letter and its marks are one where Unicode has a letter for them; marks that stay apart, as the vowel signs of
        Indian scripts do, are letters of their own.
        """
        return [number for letter in normalize("NFC", word) if (number := self._number(letter)) is not None]

    def _number(self, letter: str) -> int | None:
        if category(letter)[0] not in _SPELLED and letter not in "'’":
            return None
        forms = (letter, letter.lower(), letter.upper(), "'" if letter == "’" else letter)
        return next((self.numbers[form] for form in forms if form in self.numbers), None)


@dataclass(frozen=True, slots=True)
class CtcModel:
    """A network in memory: samples in, log probabilities of its letters out."""

    letters: Letters
    network: Callable[[Samples], Emissions]
    """Takes float32 samples, shape (samples,); gives float32, shape (frames, labels)."""
    normalised: bool

    def emissions(self, samples: Samples) -> Emissions:
        """The log probabilities, shape (frames, labels)."""
        heard = samples
        if self.normalised:
            heard = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return _log_softmax(self.network(np.asarray(heard, dtype=np.float32)))


def missing(folder: Path) -> str | None:
    """What the folder lacks to be a CTC model, as a sentence; None when it lacks nothing."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    if not any((folder / name).is_file() for name in ("model.onnx", "model.safetensors")):
        return f"The folder {folder} holds neither model.onnx nor model.safetensors."
    if not any((folder / name).is_file() for name in ("vocab.json", "vocab.txt", "tokens.txt")):
        return f"The folder {folder} holds no letters: vocab.json, vocab.txt or tokens.txt."
    return None


def digest(folder: Path) -> str:
    """``sha256:...`` over the files of the folder."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        with file.open("rb") as content:
            whole.update(file.name.encode() + hashlib.file_digest(content, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"


def load(folder: Path, threads: int) -> CtcModel:
    """Load the model of a folder, from there alone.

    Raises:
        ModelUnavailable: when it is incomplete or broken, or hears something else than samples.

    """
    lacking = missing(folder)
    if lacking:
        raise ModelUnavailable(lacking)
    letters = Letters.of(folder)
    network = _onnx(folder, threads) if (folder / "model.onnx").is_file() else _torch(folder)
    return CtcModel(letters, network, _normalised(folder))


def _onnx(folder: Path, threads: int) -> Callable[[Samples], Emissions]:
    # Releases of onnxruntime report to its maker over the network; this is looked at as it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), providers=["CPUExecutionProvider"], sess_options=options
        )
    except Exception as error:
        raise ModelUnavailable(f"The model in {folder} is broken ({type(error).__name__}).") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 2:
        raise ModelUnavailable(
            f"The model in {folder} does not hear samples of the shape (1, samples): export it with its preprocessor."
        )

    def network(samples: Samples) -> Emissions:
        return np.asarray(session.run(None, {inputs[0].name: samples[None]})[0][0], dtype=np.float32)

    return network


def _torch(folder: Path) -> Callable[[Samples], Emissions]:
    import torch
    from transformers import AutoModelForCTC

    try:
        model: Any = AutoModelForCTC.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(f"The model in {folder} is broken ({type(error).__name__}).") from error
    model.eval()

    def network(samples: Samples) -> Emissions:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(samples)[None]).logits[0].float().numpy(), dtype=np.float32)

    return network


def _numbers(folder: Path) -> dict[str, int]:
    listed = folder / "vocab.json"
    try:
        if listed.is_file():
            return {str(letter): int(number) for letter, number in json.loads(listed.read_text("utf-8")).items()}
        plain = next(folder / name for name in ("vocab.txt", "tokens.txt") if (folder / name).is_file())
        rows = [line.rstrip("\n").rpartition(" ") for line in plain.open(encoding="utf-8") if line.strip()]
        return {letter or " ": int(number) for letter, _, number in rows}
    except (ValueError, AttributeError, StopIteration) as error:
        raise ModelUnavailable(f"The letters in {folder} cannot be read.") from error


def _normalised(folder: Path) -> bool:
    said = folder / "preprocessor_config.json"
    return not said.is_file() or bool(json.loads(said.read_text("utf-8")).get("do_normalize", True))


def _log_softmax(scores: Emissions) -> Emissions:
    """Logits to log probabilities; log probabilities stay what they are."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)
