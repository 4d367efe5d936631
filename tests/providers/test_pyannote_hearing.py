"""What was heard in a block before is taken as it is; what is no block is heard again."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from providers import pyannote_hearing
from providers.pyannote_hearing import Heard, hear

WINDOWS = 25
BLOCK = 10


class Networks:
    """Stand in for a pipeline: what they hear in a window is the sample in its middle."""

    _segmentation = SimpleNamespace(duration=10.0, step=1.0)
    embedding_exclude_overlap = True

    def __init__(self) -> None:
        self.blocks = 0

    def get_segmentations(self, audio: dict[str, Any], hook: Any) -> Any:
        self.blocks += 1
        samples = audio["waveform"][0].numpy()
        count = (len(samples) - 10 * SAMPLE_RATE) // SAMPLE_RATE + 1
        middles = samples[np.arange(count) * SAMPLE_RATE + 5 * SAMPLE_RATE]
        return SimpleNamespace(data=np.repeat(middles[:, None, None] > 0.25, 3, axis=2).astype(np.float32))

    def get_embeddings(self, audio: dict[str, Any], found: Any, exclude_overlap: bool, hook: Any) -> Any:
        return np.where(found.data[:, 0, :, None] > 0, np.float32(0.5), np.nan).repeat(4, axis=2)


class Memory:
    """Parts in memory."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}

    def recall(self, part: str) -> bytes | None:
        return self.parts.get(part)

    def keep(self, part: str, outcome: bytes) -> None:
        self.parts[part] = outcome


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setattr(pyannote_hearing, "BLOCK_WINDOWS", BLOCK)
    samples = np.linspace(0, 0.5, (WINDOWS + 9) * SAMPLE_RATE)
    (samples * 32767).astype("<i2").tofile(tmp_path / "spool.pcm")
    return Spool.at(tmp_path / "spool.pcm")


def heard(spool: Spool, networks: Networks, memory: Memory, shares: list[float] | None = None) -> Heard:
    told: list[float] = [] if shares is None else shares
    return hear(spool, lambda: nullcontext(networks), told.append, memory)


def same(one: Heard, other: Heard) -> bool:
    equal = np.array_equal(one.active, other.active) and np.array_equal(one.voices, other.voices, equal_nan=True)
    return equal and one.windows == other.windows and one.voices.dtype == other.voices.dtype


def test_kept_blocks_are_taken_as_they_are(spool: Spool) -> None:
    networks, memory = Networks(), Memory()
    first = heard(spool, networks, memory)
    assert (networks.blocks, len(memory.parts)) == (3, 3)
    assert 0 < first.active.mean() < 1
    shares: list[float] = []
    assert same(first, heard(spool, networks, memory, shares))
    assert networks.blocks == 3
    assert shares == [10 / WINDOWS, 20 / WINDOWS, 1.0]
    memory.parts.popitem()
    assert same(first, heard(spool, networks, memory))
    assert networks.blocks == 4


def saved(save: Callable[..., None], *values: Any, **named: Any) -> bytes:
    file = io.BytesIO()
    save(file, *values, **named)
    return file.getvalue()


ACTIVE, VOICES = np.zeros((BLOCK, 1, 3), np.uint8), np.zeros((BLOCK, 3, 4), np.float32)
NO_BLOCKS = {
    "nothing": b"",
    "text": b"{}",
    "the head of an archive": b"PK\x03\x04",
    "the head of an array": b"\x93NUMPY",
    "an array": saved(np.save, ACTIVE),
    "a part": saved(np.savez, active=ACTIVE),
    "fewer windows": saved(np.savez, active=ACTIVE[1:], voices=VOICES[1:]),
    "other numbers": saved(np.savez, active=ACTIVE.astype(float), voices=VOICES),
    "another shape": saved(np.savez, active=ACTIVE[0], voices=VOICES),
}


@pytest.mark.parametrize("damage", NO_BLOCKS)
def test_what_is_no_block_is_heard_again(spool: Spool, damage: str) -> None:
    networks, memory = Networks(), Memory()
    first = heard(spool, networks, memory)
    name, kept = next(iter(memory.parts.items()))
    memory.parts[name] = NO_BLOCKS[damage]
    assert same(first, heard(spool, networks, memory))
    assert networks.blocks == 4
    assert memory.parts[name] == kept


def test_no_damage_does_any_harm() -> None:
    random = np.random.default_rng(1)
    good = pyannote_hearing._written((ACTIVE, random.standard_normal(VOICES.shape).astype(np.float32)))
    for _ in range(500):
        bad = bytearray(good)
        first = int(random.integers(0, len(bad)))
        bad[first : first + 8] = random.bytes(min(8, len(bad) - first))
        pyannote_hearing._read(bytes(bad), BLOCK)
        pyannote_hearing._read(bytes(bad[:first]), BLOCK)


def test_what_is_one_block_is_not_kept(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyannote_hearing, "BLOCK_WINDOWS", WINDOWS)
    memory = Memory()
    heard(spool, Networks(), memory)
    assert memory.parts == {}
