"""A model of punctuation small enough to make in a test: a real vocabulary of SentencePiece, and a real ONNX network
that looks up, for each piece, what the sentences it was made of say about it.

The network is written as ONNX's own protocol buffers, field by field
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): the library that would build it is needed for nothing else.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

POST = ("<NULL>", ".", ",", "?", "<ACRONYM>")
PRE = ("<NULL>", "¿")
_LONGEST = 16
_INT64, _OPSET, _IR = 7, 13, 8


def make_model(folder: Path, sentences: list[str], max_length: int = 128, languages: tuple[str, ...] = ("en",)) -> None:
    """Three files, as the hub's models have them; ``sentences`` are written as the model shall write."""
    import sentencepiece

    plain = [" ".join(_bare(word) for word in sentence.split()) for sentence in sentences]
    model = io.BytesIO()
    pieces = 1 + len({word for sentence in plain for word in sentence.split()})
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(plain * 20),
        model_writer=model,
        model_type="word",
        vocab_size=pieces + 3,
        pad_id=3,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    folder.mkdir(parents=True)
    (folder / "sp.model").write_bytes(model.getvalue())
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    (folder / "model.onnx").write_bytes(_network(*_tables(vocabulary, sentences)))
    said = {"max_length": max_length, "languages": list(languages), "pre_labels": list(PRE), "post_labels": list(POST)}
    (folder / "config.yaml").write_text("".join(f"{name}: {value!r}\n" for name, value in said.items()))


def _bare(word: str) -> str:
    return word.strip(".,?¿").lower()


def _tables(vocabulary: object, sentences: list[str]) -> tuple[NDArray[np.int64], ...]:
    size = vocabulary.get_piece_size()  # type: ignore[attr-defined]
    pre, post, breaks = (np.zeros(size, np.int64) for _ in range(3))
    capitals = np.zeros((size, _LONGEST), np.int64)
    for word in (word for sentence in sentences for word in sentence.split()):
        piece = vocabulary.piece_to_id(f"▁{_bare(word)}")  # type: ignore[attr-defined]
        pre[piece] = word.startswith("¿")
        if word[-1] in POST:
            post[piece] = POST.index(word[-1])
        for place, letter in enumerate(word.lstrip("¿")[: _LONGEST - 1], 1):
            capitals[piece, place] = letter.isupper()
    return pre, post, capitals, breaks


def _network(*tables: NDArray[np.int64]) -> bytes:
    names = ("pre", "post", "capitals", "breaks")
    nodes = b"".join(
        _bytes(1, _bytes(1, f"{name}_table") + _bytes(1, "input_ids") + _bytes(2, name) + _bytes(4, "Gather"))
        for name in names
    )
    weights = b"".join(
        _bytes(
            5,
            b"".join(_number(1, side) for side in table.shape)
            + _number(2, _INT64)
            + _bytes(8, f"{name}_table")
            + _bytes(9, table.tobytes()),
        )
        for name, table in zip(names, tables, strict=True)
    )
    values = _bytes(11, _value("input_ids", 2))
    values += b"".join(_bytes(12, _value(name, 1 + table.ndim)) for name, table in zip(names, tables, strict=True))
    graph = nodes + _bytes(2, "tiny") + weights + values
    return _number(1, _IR) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, _OPSET))


def _value(name: str, sides: int) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, f"side_{side}")) for side in range(sides))
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, _INT64) + _bytes(2, shape)))


def _bytes(field: int, content: str | bytes) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
