"""A CTC network that hears tones: each letter is a tone of its own, silence is the blank. Built here, as an ONNX file.

It is a network like wav2vec 2.0's first layers in all that the aligner sees of it: samples in, logits of letters out,
one frame each 20 ms.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from audio.samples import SAMPLE_RATE, Samples

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = {"<pad>": 0, "|": 1, **{letter: number + 2 for number, letter in enumerate(LETTERS)}}
STRIDE = SAMPLE_RATE // 50
_LOWEST, _STEP = 500.0, 200.0
_SPACE_TONE = 300.0


def tone_of(letter: str) -> float:
    """Hertz."""
    return _SPACE_TONE if letter == "|" else _LOWEST + _STEP * LETTERS.index(letter)


def build(folder: Path) -> Path:
    """Write model.onnx, vocab.json and preprocessor_config.json into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(STRIDE) / SAMPLE_RATE
    kernels = []
    for letter in ["|", *LETTERS]:
        angle = 2 * np.pi * tone_of(letter) * times
        kernels += [np.cos(angle), np.sin(angle)]
    weights = np.asarray(kernels, dtype=np.float32)[:, None, :] * (2 / STRIDE)
    # The energy of a tone is that of its cosine and sine; the blank's logit is a small constant.
    summed = np.zeros((len(VOCABULARY), len(kernels), 1), dtype=np.float32)
    for label in range(1, len(VOCABULARY)):
        summed[label, 2 * label - 2 : 2 * label, 0] = 200.0
    bias = np.zeros(len(VOCABULARY), dtype=np.float32)
    bias[0] = 2.0
    constants = {"weights": weights, "summed": summed, "bias": bias, "axis": np.asarray([1], dtype=np.int64)}
    nodes = [
        helper.make_node("Unsqueeze", ["input_values", "axis"], ["wave"]),
        helper.make_node("Conv", ["wave", "weights"], ["parts"], strides=[STRIDE]),
        helper.make_node("Mul", ["parts", "parts"], ["energies"]),
        helper.make_node("Conv", ["energies", "summed", "bias"], ["scores"]),
        helper.make_node("Transpose", ["scores"], ["logits"], perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tones",
        [helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "frames", len(VOCABULARY)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    return folder


def spoken(words: list[tuple[str, float]], pause: float = 0.4) -> tuple[Samples, list[tuple[float, float]]]:
    """Words as tones, each letter so many seconds long, with silence around them; and where each word lies."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    places = []
    at = 0.0
    for word, each in words:
        parts.append(np.zeros(round(pause * SAMPLE_RATE)))
        at += pause
        places.append((at, at + each * len(word)))
        for letter in word:
            times = np.arange(round(each * SAMPLE_RATE)) / SAMPLE_RATE
            parts.append(0.5 * np.sin(2 * np.pi * tone_of(letter) * times))
        at = places[-1][1]
    parts.append(np.zeros(round(pause * SAMPLE_RATE)))
    return np.concatenate(parts).astype(np.float32), places
