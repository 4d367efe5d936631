"""Whatever PyAV reads comes out as faster-whisper would have it; what cannot be read is refused in a sentence."""

from __future__ import annotations

import errno
import io
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from audio.decode import decode
from audio.decode_main import decode_into
from audio.limits import Limits
from speech.errors import InvalidAudio, JobCancelled, StorageFull
from speech.settings import Settings

from .conftest import LIMITS, RATE, Pcm, encoded, film, wav

FORMATS = [
    ("mp3", "libmp3lame", 44100, 2, {}),
    ("mp3", "libmp3lame", 48000, 2, {}),
    ("mp3", "libmp3lame", 8000, 1, {}),
    ("mp3", "libmp3lame", 16000, 1, {"write_xing": "0"}),
    ("ipod", "aac", 48000, 2, {}),
    ("ipod", "aac", 8000, 1, {}),
    ("mp4", "aac", 44100, 1, {"movflags": "frag_keyframe+empty_moov"}),
    ("adts", "aac", 16000, 1, {}),
    ("3gp", "aac", 16000, 1, {}),
    ("mov", "alac", 44100, 2, {}),
    ("caf", "alac", 44100, 2, {}),
    ("ogg", "libopus", 48000, 2, {}),
    ("ogg", "libopus", 8000, 1, {}),
    ("webm", "libopus", 48000, 1, {}),
    ("matroska", "aac", 48000, 2, {}),
    ("flac", "flac", 44100, 2, {}),
    ("flac", "flac", 44100, 6, {}),
    ("asf", "wmav2", 44100, 2, {}),
    ("amr", "libopencore_amrnb", 8000, 1, {}),
    ("aiff", "pcm_s16be", 44100, 2, {}),
    ("au", "pcm_s16be", 44100, 2, {}),
    ("w64", "pcm_s16le", 16000, 1, {}),
    ("wav", "pcm_f32le", 44100, 2, {}),
    ("wav", "pcm_s24le", 96000, 2, {}),
    ("wav", "pcm_mulaw", 8000, 1, {}),
    ("wav", "adpcm_ima_wav", 16000, 1, {}),
    ("wav", "g722", 16000, 1, {}),
    ("mpegts", "aac", 44100, 1, {}),
    ("avi", "mp2", 44100, 2, {}),
    ("flv", "aac", 44100, 2, {}),
    ("ac3", "ac3", 48000, 2, {}),
    ("wv", "wavpack", 16000, 1, {}),
    ("tta", "tta", 16000, 1, {}),
]
NEVER_WHOLE = ["ogg", "adts", "amr", "ac3", "mpegts", "avi", "flv", "asf", "w64"]
"""Containers whose header does not say how long they are, so that a missing end cannot be told."""


def decoded(data: bytes, limits: Limits = LIMITS) -> np.ndarray:  # type: ignore[type-arg]
    """As the child does it, but in this process."""
    spool = io.BytesIO()
    count = decode_into(io.BytesIO(data), spool, limits, lambda seconds: None)
    samples = np.frombuffer(spool.getvalue(), dtype="<i2")
    assert len(samples) == count
    return samples


def faster_whispers(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    return np.round(decode_audio(io.BytesIO(data)) * 32768).astype("<i2")


@pytest.mark.parametrize(("container", "codec", "rate", "channels", "options"), FORMATS)
def test_every_format_is_decoded_bit_for_bit(
    speech_pcm: Pcm, container: str, codec: str, rate: int, channels: int, options: dict[str, str]
) -> None:
    data = encoded(speech_pcm, container, codec, rate, channels, options)
    samples = decoded(data)
    assert np.array_equal(samples, faster_whispers(data))
    assert len(samples) / RATE == pytest.approx(20, abs=0.25)


def test_every_clip_is_decoded_bit_for_bit(clips, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for clip in clips:
        assert np.array_equal(decoded(clip.path.read_bytes()), faster_whispers(clip.path.read_bytes())), clip.name


@pytest.mark.parametrize("name", ["sample.mp3", "sample.bin", "-rf", "a b\n'$(id)'.wav", "ünïcode"])
def test_a_process_decodes_to_a_spool_whatever_the_name(
    speech_pcm: Pcm, tmp_path: Path, limits: Limits, name: str
) -> None:
    data = encoded(speech_pcm, "ogg", "libopus", 48000, 2)
    source = tmp_path / name
    source.write_bytes(data)
    heard: list[float] = []
    spool = decode(source, tmp_path / "out.pcm", limits, heard=heard.append)
    assert np.array_equal(spool.read(), decode_audio(io.BytesIO(data)))
    assert spool.path.stat().st_size == 2 * spool.sample_count
    assert heard == sorted(heard)
    assert heard[-1] == spool.duration
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.pcm"])


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_film_gives_its_sound_though_that_ends_early(speech_pcm: Pcm, container: str) -> None:
    data = film(speech_pcm[: 5 * RATE], container, 20)
    assert np.array_equal(decoded(data), faster_whispers(data))


def test_a_stream_that_changes_in_the_middle_is_decoded_to_its_end(speech_pcm: Pcm) -> None:
    parts = [
        encoded(speech_pcm, "adts", "aac", 44100, 2),
        encoded(speech_pcm, "adts", "aac", 16000, 1),
        encoded(speech_pcm, "adts", "aac", 48000, 2),
    ]
    samples = decoded(b"".join(parts))
    assert len(samples) / RATE == pytest.approx(60, abs=0.5)
    assert np.array_equal(samples[: 19 * RATE], decoded(parts[0])[: 19 * RATE])


@pytest.mark.parametrize(
    ("container", "codec", "rate", "channels"), [("ogg", "libopus", 48000, 2), ("mp3", "libmp3lame", 44100, 2)]
)
def test_two_recordings_in_one_file_are_both_decoded(
    speech_pcm: Pcm, container: str, codec: str, rate: int, channels: int
) -> None:
    one = encoded(speech_pcm, container, codec, rate, channels)
    assert len(decoded(one + one)) / RATE == pytest.approx(40, abs=0.2)


@pytest.mark.parametrize("channels", [9, 32, 64])
def test_channels_without_a_mixing_rule_count_alike(speech_pcm: Pcm, channels: int) -> None:
    each = np.random.default_rng(5).normal(0, 3000, (RATE, channels)).astype(np.int16)
    samples = decoded(wav(each.tobytes(), channels=channels))
    assert np.abs(samples - each.mean(axis=1)).max() <= 2


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(InvalidAudio, match="200 channels"):
        decoded(wav(np.zeros((RATE, 200), dtype=np.int16).tobytes(), channels=200))


def test_numbers_that_are_none_become_samples() -> None:
    values = np.full(RATE, np.nan, dtype=np.float32)
    values[::3], values[1::3] = 0.5, np.inf
    data = wav(values.tobytes(), bits=32, kind=3)
    samples = decoded(data)
    assert len(samples) == RATE
    assert np.array_equal(samples, faster_whispers(data))


# What is damaged


@pytest.mark.parametrize(("container", "codec", "rate", "channels", "options"), FORMATS)
def test_a_file_cut_in_half_is_refused_where_that_can_be_told(
    speech_pcm: Pcm, container: str, codec: str, rate: int, channels: int, options: dict[str, str]
) -> None:
    data = encoded(speech_pcm, container, codec, rate, channels, options)
    if container in NEVER_WHOLE or options.get("write_xing") == "0":
        assert len(decoded(data[: len(data) // 2])) / RATE == pytest.approx(10, abs=1.1)
    else:
        with pytest.raises(InvalidAudio, match=r"breaks off at \d+\.\d s of the 20\.\d s|cannot be read|can be read"):
            decoded(data[: len(data) // 2])


def test_half_a_wav_file_says_where_it_breaks_off(speech_pcm: Pcm) -> None:
    with pytest.raises(InvalidAudio, match=r"breaks off at 10\.0 s of the 20\.0 s"):
        decoded(wav(speech_pcm.tobytes()[: len(speech_pcm)], claimed=2 * len(speech_pcm)))


def test_a_whole_wav_file_is_taken_though_its_byte_rate_is_wrong(speech_pcm: Pcm) -> None:
    data = bytearray(encoded(speech_pcm, "wav", "adpcm_ima_wav"))
    data[28:32] = struct.pack("<I", 1000)
    assert len(decoded(bytes(data))) / RATE == pytest.approx(20, abs=0.1)


def test_a_wav_file_that_lacks_a_little_is_taken(speech_pcm: Pcm) -> None:
    assert len(decoded(wav(speech_pcm.tobytes()[:-1000], claimed=2 * len(speech_pcm)))) == len(speech_pcm) - 500


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000 - 44, 0xFFFFFFFF, 0xFFFFFFFF - 36])
def test_sizes_of_writers_who_could_not_go_back_promise_nothing(speech_pcm: Pcm, claimed: int) -> None:
    assert np.array_equal(decoded(wav(speech_pcm.tobytes(), claimed=claimed)), speech_pcm)


def test_broken_packets_are_left_out_and_the_rest_is_kept(speech_pcm: Pcm) -> None:
    whole = encoded(speech_pcm, "mp3", "libmp3lame", 44100, 2)
    middle = len(whole) // 2
    damaged = whole[:middle] + b"\xff" * 3000 + whole[middle + 3000 :]
    samples = decoded(damaged)
    assert 19 < len(samples) / RATE < 20
    assert np.array_equal(samples[: 9 * RATE], decoded(whole)[: 9 * RATE])
    # faster-whisper's own loop ends at the first broken packet.
    assert len(samples) > len(faster_whispers(damaged))


def test_much_damage_in_the_middle_is_refused_with_its_position(speech_pcm: Pcm) -> None:
    whole = encoded(speech_pcm, "mp3", "libmp3lame", 44100, 2)
    third = len(whole) // 3
    damaged = whole[:third] + b"\xff" * third + whole[2 * third :]
    with pytest.raises(InvalidAudio, match=r"damaged from 6\.\d s on: only 1\d\.\d of its 20\.0 s"):
        decoded(damaged)


def test_damage_counts_by_time_stamps_where_the_header_promises_nothing(speech_pcm: Pcm) -> None:
    whole = encoded(speech_pcm, "amr", "libopencore_amrnb", 8000, 1)
    third = len(whole) // 3
    with pytest.raises(InvalidAudio, match=r"damaged from 6\.\d s on"):
        decoded(whole[:third] + b"\xff" * third + whole[2 * third :])


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_gives_samples_or_a_sentence(speech_pcm: Pcm, seed: int) -> None:
    random = np.random.default_rng(seed)
    for container, codec, rate, channels, options in FORMATS:
        data = bytearray(encoded(speech_pcm[: 3 * RATE], container, codec, rate, channels, options))
        for place in random.integers(0, len(data), size=10 ** random.integers(0, 3)):
            data[place] = random.integers(0, 256)
        try:
            assert len(decoded(bytes(data))) > 0
        except InvalidAudio as error:
            assert error.message.endswith(".")  # noqa: PT017 - either outcome is right


# What is no audio


NOTHING = {
    "text": b"Call me Ishmael. Some years ago - never mind how long precisely.\n" * 100,
    "html": b"<!doctype html><html><body><audio src='x.mp3'></audio></body></html>",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82",
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)) * 8,
    "zeros": bytes(100_000),
    "random": np.random.default_rng(0).bytes(200_000),
    "one byte": b"\x00",
    "wav of no samples": wav(b""),
    "wav header only": wav(b"", claimed=32000)[:36],
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_audio_is_refused_in_a_sentence(name: str, tmp_path: Path, limits: Limits) -> None:
    source = tmp_path / "given"
    source.write_bytes(NOTHING[name])
    with pytest.raises(InvalidAudio, match=r"^The file.*\.$"):
        decode(source, tmp_path / "out.pcm", limits)
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with pytest.raises(InvalidAudio, match="no audio track"):
        decoded(out.getvalue())


def test_empty_folder_pipe_and_device_are_refused_at_once(tmp_path: Path, limits: Limits) -> None:
    empty, folder, pipe = tmp_path / "empty", tmp_path / "folder", tmp_path / "pipe"
    empty.touch()
    folder.mkdir()
    os.mkfifo(pipe)
    with pytest.raises(InvalidAudio, match="empty"):
        decode(empty, tmp_path / "out.pcm", limits)
    for source in (folder, pipe, Path("/dev/zero")):
        with pytest.raises(InvalidAudio, match="folder, pipe or device"):
            decode(source, tmp_path / "out.pcm", limits)


def test_an_absent_file_is_the_callers_mistake(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "absent", tmp_path / "out.pcm", limits)
    assert list(tmp_path.iterdir()) == []


# What is too much


def test_a_small_file_that_decodes_to_hours_is_refused(tmp_path: Path, limits: Limits) -> None:
    minute = np.zeros(60 * RATE, dtype=np.int16)
    bomb = tmp_path / "bomb"
    bomb.write_bytes(encoded(np.tile(minute, 30), "flac", "flac"))
    assert bomb.stat().st_size < 400_000
    with pytest.raises(InvalidAudio, match=r"longer than 0\.25 h"):
        decode(bomb, tmp_path / "out.pcm", replace(limits, max_audio_seconds=900))
    assert [path.name for path in tmp_path.iterdir()] == ["bomb"]


def test_an_endless_file_is_refused(tmp_path: Path, limits: Limits) -> None:
    """A sparse WAV of a terabyte: days of silence that take no room on disk."""
    endless = tmp_path / "endless"
    endless.write_bytes(wav(b"", claimed=0xFFFFFFFF))
    os.truncate(endless, 1 << 40)
    with pytest.raises(InvalidAudio, match="longer than 1 h"):
        decode(endless, tmp_path / "out.pcm", limits)


def test_a_full_disk_is_told_from_bad_audio(speech_pcm: Pcm, tmp_path: Path, limits: Limits) -> None:
    source, spool = tmp_path / "given", tmp_path / "out.pcm"
    source.write_bytes(wav(speech_pcm.tobytes()))
    (tmp_path / "out.pcm.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="full"):
        decode(source, spool, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_another_file_is_a_full_disk(
    speech_pcm: Pcm, tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source = tmp_path / "given"
    source.write_bytes(wav(speech_pcm.tobytes()))
    really = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, "no room")
        return really(path, flags, mode)

    monkeypatch.setattr("audio.decode.os.open", refuse)
    with pytest.raises(StorageFull):
        decode(source, tmp_path / "out.pcm", limits)


def test_cancelling_ends_it_and_leaves_nothing(tmp_path: Path, limits: Limits) -> None:
    endless = tmp_path / "endless"
    endless.write_bytes(wav(b"", claimed=0xFFFFFFFF))
    os.truncate(endless, 1 << 40)
    heard: list[float] = []
    with pytest.raises(JobCancelled):
        decode(
            endless,
            tmp_path / "out.pcm",
            replace(limits, max_audio_seconds=1e7),
            heard=heard.append,
            cancelled=lambda: bool(heard),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["endless"]


def test_a_wav_with_other_chunks_first_keeps_its_promise(speech_pcm: Pcm) -> None:
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    data = wav(speech_pcm.tobytes()[: len(speech_pcm)], claimed=2 * len(speech_pcm), before=note)
    with pytest.raises(InvalidAudio, match=r"10\.0 s of the 20\.0 s"):
        decoded(data)


def test_limits_come_from_the_settings(settings: Settings) -> None:
    decoding, probing = Limits.for_decoding(settings), Limits.for_probing(settings)
    assert decoding.wall_seconds == settings.decode_timeout
    assert decoding.max_audio_seconds == settings.max_audio_seconds
    assert probing.wall_seconds == probing.cpu_seconds == settings.probe_timeout
