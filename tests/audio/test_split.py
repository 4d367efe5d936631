"""Channels are taken apart in one decoding, each as a mono file of it would be decoded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from numpy.typing import NDArray

from audio.likeness import same_sound
from audio.limits import Limits
from audio.split import MOST_CHANNELS, split
from audio.spool import Spool
from speech.errors import InvalidAudio

from .conftest import RATE, Pcm, wav


def written(folder: Path, channels: list[Pcm], rate: int = RATE) -> Path:
    path = folder / "given.wav"
    path.write_bytes(wav(np.stack(channels, axis=1).tobytes(), rate=rate, channels=len(channels)))
    return path


def as_mono(pcm: Pcm, rate: int) -> NDArray[Any]:
    return np.asarray(decode_audio(io.BytesIO(wav(pcm.tobytes(), rate=rate))))


def noises(count: int, samples: int = RATE) -> list[Pcm]:
    rng = np.random.default_rng(3)
    return [rng.normal(0, 3000, samples).astype("<i2") for _ in range(count)]


@pytest.mark.parametrize(("count", "rate"), [(1, 16_000), (2, 8_000), (8, 44_100), (9, 16_000), (32, 16_000)])
def test_each_channel_is_what_a_mono_file_of_it_is(count: int, rate: int, tmp_path: Path, limits: Limits) -> None:
    channels = noises(count)
    spools = split(written(tmp_path, channels, rate), tmp_path, limits)
    assert list(spools) == list(range(count))
    for channel, spool in spools.items():
        assert np.array_equal(spool.read(), as_mono(channels[channel], rate))


def test_one_channel_alone(tmp_path: Path, limits: Limits) -> None:
    channels = noises(3)
    spools = split(written(tmp_path, channels), tmp_path, limits, only=2)
    assert list(spools) == [2]
    assert np.array_equal(spools[2].read(), as_mono(channels[2], RATE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["channel-2.pcm", "given.wav"]


def test_a_channel_that_is_not_there_is_refused_by_name(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(InvalidAudio, match="2 channels, and so no channel 2: the first one is channel 0"):
        split(written(tmp_path, noises(2)), tmp_path, limits, only=2)
    assert [path.name for path in tmp_path.iterdir()] == ["given.wav"]


def test_a_file_without_sound_is_refused(tmp_path: Path, limits: Limits) -> None:
    (tmp_path / "empty.wav").write_bytes(wav(b"", channels=2))
    with pytest.raises(InvalidAudio, match="no sound"):
        split(tmp_path / "empty.wav", tmp_path, limits)


def test_more_channels_than_anybody_has_are_refused(tmp_path: Path, limits: Limits) -> None:
    source = written(tmp_path, noises(MOST_CHANNELS + 1))
    with pytest.raises(InvalidAudio, match="at most 32 can be recognised each by itself"):
        split(source, tmp_path, limits)
    assert list(split(source, tmp_path, limits, only=MOST_CHANNELS)) == [MOST_CHANNELS]


def test_a_channel_that_comes_later_was_silent_before(tmp_path: Path, limits: Limits) -> None:
    """Two MPEG-TS programmes, mono and then stereo, one after the other in a file."""
    one, two = io.BytesIO(), io.BytesIO()
    for out, layout in ((one, "mono"), (two, "stereo")):
        with av.open(out, "w", format="mpegts") as target:
            stream = target.add_stream("mp2", rate=RATE, layout=layout)
            tone = noises(2, 2 * RATE) if layout == "stereo" else noises(1, 2 * RATE)
            frame = av.AudioFrame.from_ndarray(np.stack(tone, axis=1).reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = RATE
            for piece in av.AudioResampler(format="s16", layout=layout, rate=RATE, frame_size=1152).resample(frame):
                target.mux(stream.encode(piece))
            target.mux(stream.encode(None))
    path = tmp_path / "changing.ts"
    path.write_bytes(one.getvalue() + two.getvalue())
    spools = split(path, tmp_path, limits)
    assert len({spool.sample_count for spool in spools.values()}) == 1
    assert not spools[1].read(0.0, 1.5).any()
    assert spools[1].read(2.5, 3.5).any()
    assert spools[0].read(0.0, 1.5).any()


def spooled(folder: Path, channels: list[NDArray[Any]]) -> dict[int, Spool]:
    found = {}
    for number, channel in enumerate(channels):
        path = folder / f"{number}.pcm"
        np.round(channel).astype("<i2").tofile(path)
        found[number] = Spool.at(path)
    return found


def test_the_same_sound_is_told(tmp_path: Path, speech_pcm: Pcm) -> None:
    speech = speech_pcm.astype(np.float64)
    rng = np.random.default_rng(1)
    other = np.roll(speech, 5 * RATE)
    found = same_sound(
        spooled(
            tmp_path,
            [
                speech,
                speech,
                -0.4 * speech,
                speech + rng.normal(0, 2, len(speech)),
                other,
                np.zeros(len(speech)),
                np.zeros(len(speech)),
                0.7 * speech + 0.3 * other,
            ],
        )
    )
    assert found == {0: 0, 1: 0, 2: 0, 3: 0, 4: 4, 5: 5, 6: 6, 7: 7}


def test_one_sentence_that_only_one_channel_has_is_not_lost(tmp_path: Path, speech_pcm: Pcm) -> None:
    with_more = np.concatenate([speech_pcm, np.zeros(10 * RATE, dtype="<i2"), speech_pcm[10 * RATE : 12 * RATE]])
    without = np.concatenate([speech_pcm, np.zeros(12 * RATE, dtype="<i2")])
    assert same_sound(spooled(tmp_path, [without, with_more])) == {0: 0, 1: 1}
