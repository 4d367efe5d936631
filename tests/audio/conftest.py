"""Limits, spools and media files made on the spot from a real recording."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from audio.limits import Limits
from audio.spool import Spool

RATE = 16_000
LIMITS = Limits(wall_seconds=60, memory_bytes=1 << 30, cpu_seconds=60, max_audio_seconds=3600)

Pcm = NDArray[np.int16]


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture(scope="session")
def speech_pcm(audio_folder: Path) -> Pcm:
    """Twenty seconds of a real conversation, int16 mono 16 kHz."""
    raw = (audio_folder / "conversation" / "sample.wav").read_bytes()
    start = raw.index(b"data") + 8
    return np.frombuffer(raw[start : start + 20 * RATE * 2], dtype="<i2").copy()


@pytest.fixture(scope="session")
def audio_folder() -> Path:
    return Path(__file__).parent.parent / "data" / "audio"


@pytest.fixture
def spooled(tmp_path: Path) -> Callable[[NDArray[np.generic]], Spool]:
    """Write int16 samples, or float32 ones that came from int16, as a spool."""

    def write(samples: NDArray[np.generic]) -> Spool:
        stored = samples if samples.dtype == np.int16 else np.round(samples * 32768)
        path = tmp_path / "given.pcm"
        stored.astype("<i2").tofile(path)
        return Spool.at(path)

    return write


def wav(
    samples: bytes,
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    kind: int = 1,
    claimed: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file; ``claimed`` is the size that its data chunk promises, ``before`` other chunks before that."""
    size = len(samples) if claimed is None else claimed
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    riff = b"WAVEfmt " + struct.pack("<I", 16) + form + before + b"data" + struct.pack("<I", size) + samples
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def encoded(
    pcm: Pcm, container: str, codec: str, rate: int = RATE, channels: int = 1, options: dict[str, str] | None = None
) -> bytes:
    """Some mono 16 kHz audio as a file of that container, codec, rate and number of channels."""
    out = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(out, "w", format=container, options=options or {}) as target:
        stream = target.add_stream(codec, rate=rate, layout=layout)
        if codec == "wmav2":
            stream.codec_context.bit_rate = 64_000
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.format.name, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None, :]), format="s16", layout="mono")
        frame.sample_rate = RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return out.getvalue()


def film(pcm: Pcm, container: str, seconds: int) -> bytes:
    """A film of ``seconds`` whose sound may end earlier."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        picture = target.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = target.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None, :]), format="s16", layout="mono")
        frame.sample_rate = RATE
        for piece in av.AudioResampler(format="fltp", layout="mono", rate=RATE, frame_size=1024).resample(frame):
            target.mux(sound.encode(piece))
        target.mux(sound.encode(None))
        for number in range(5 * seconds):
            image = av.VideoFrame(64, 64, "yuv420p")
            image.pts = number
            target.mux(picture.encode(image))
        target.mux(picture.encode(None))
    return out.getvalue()
