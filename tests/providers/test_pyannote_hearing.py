"""What was heard in a block before is taken as it is; what is no block is heard again."""

from __future__ import annotations

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


@pytest.mark.parametrize("damage", [b"", b"{}", b"PK\x03\x04", b"\x93NUMPY", "half"])
def test_what_is_no_block_is_heard_again(spool: Spool, damage: bytes | str) -> None:
    networks, memory = Networks(), Memory()
    first = heard(spool, networks, memory)
    name, kept = next(iter(memory.parts.items()))
    memory.parts[name] = kept[: len(kept) // 2] if isinstance(damage, str) else damage
    assert same(first, heard(spool, networks, memory))
    assert networks.blocks == 4
    assert memory.parts[name] == kept


def test_what_is_one_block_is_not_kept(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyannote_hearing, "BLOCK_WINDOWS", WINDOWS)
    memory = Memory()
    heard(spool, Networks(), memory)
    assert memory.parts == {}
