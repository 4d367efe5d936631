"""A look at the head says what a file is, or why it is nothing, without holding anybody up."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from audio import child
from audio.claims import claimed_duration
from audio.limits import Limits
from audio.media import first_audio, opened
from audio.probe import Probe, probe, probe_async
from audio.probe_main import probe_into
from speech.errors import InvalidAudio

from .conftest import RATE, Pcm, encoded, film, wav


def looked(data: bytes) -> Probe:
    """As the child does it, but in this process."""
    return Probe(**probe_into(io.BytesIO(data)))


def claim(data: bytes) -> float | None:
    source = io.BytesIO(data)
    with opened(source) as container:
        return claimed_duration(container, first_audio(container), source)


def test_every_clip_says_its_length(clips, limits: Limits) -> None:  # type: ignore[no-untyped-def]
    for clip in clips:
        seen = looked(clip.path.read_bytes())
        assert seen == Probe(pytest.approx(clip.duration, abs=0.01), 16000, 1, "flac", "flac"), clip.name


def test_a_process_looks_at_the_file(speech_pcm: Pcm, tmp_path: Path, limits: Limits) -> None:
    source = tmp_path / "given"
    source.write_bytes(encoded(speech_pcm, "webm", "libopus", 48000, 2))
    assert probe(source, limits) == Probe(pytest.approx(20, abs=0.05), 48000, 2, "opus", "matroska,webm")


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("adts", "aac", {}),
        ("webm", "libopus", {"live": "1"}),
        ("matroska", "libopus", {"live": "1"}),
    ],
)
def test_a_length_that_nobody_wrote_down_is_none(
    speech_pcm: Pcm, container: str, codec: str, options: dict[str, str]
) -> None:
    assert looked(encoded(speech_pcm, container, codec, 48000, 1, options)).duration is None


def test_an_estimate_is_shown_but_is_no_claim(speech_pcm: Pcm) -> None:
    constant = encoded(speech_pcm, "mp3", "libmp3lame", 44100, 2, {"write_xing": "0"})
    assert looked(constant).duration == pytest.approx(20, abs=0.2)
    assert claim(constant) is None


def test_the_frame_count_of_an_mp3_file_is_a_claim_also_behind_tags(speech_pcm: Pcm) -> None:
    data = encoded(speech_pcm, "mp3", "libmp3lame", 44100, 2)
    assert claim(data) == pytest.approx(20, abs=0.1)
    picture = b"ID3\x04\x00\x00" + bytes([0, 0, 40, 0]) + bytes(40 * 128)
    bare = data[data.index(b"\xff\xfb") :]
    assert claim(picture + bare) == pytest.approx(20, abs=0.1)
    assert claim(bare) == pytest.approx(20, abs=0.1)


def test_a_film_may_go_on_after_its_sound(speech_pcm: Pcm) -> None:
    for container in ("mp4", "matroska"):
        data = film(speech_pcm[: 5 * RATE], container, 20)
        assert looked(data).duration == pytest.approx(5, abs=0.2)


def test_a_wav_file_says_what_it_was_meant_to_hold(speech_pcm: Pcm) -> None:
    half = speech_pcm.tobytes()[: len(speech_pcm)]
    assert looked(wav(half, claimed=2 * len(speech_pcm))).duration == 20.0
    assert looked(wav(half, claimed=0xFFFFFFFF)).duration == 10.0
    assert looked(wav(half, claimed=0)).duration == 10.0


def test_an_absurd_length_is_nobodys_claim(speech_pcm: Pcm) -> None:
    """What float writers leave in the fact chunk when they cannot go back."""
    samples = (speech_pcm / 32768).astype(np.float32).tobytes()
    fact = b"fact\x04\x00\x00\x00" + b"\xff" * 4
    assert looked(wav(samples, kind=3, bits=32, before=fact, claimed=0xFFFFFFFF)).duration is None


def test_what_is_no_audio_is_refused(tmp_path: Path, limits: Limits) -> None:
    source = tmp_path / "given"
    for content in (b"", b"text", bytes(50_000), wav(b"")):
        source.write_bytes(content)
        with pytest.raises(InvalidAudio):
            probe(source, limits)


def test_a_good_head_is_enough(speech_pcm: Pcm) -> None:
    data = encoded(speech_pcm, "flac", "flac", 44100, 2)
    half = len(data) // 2
    assert looked(data[:half] + b"\x00" * half).duration == 20.0


def test_a_broken_head_is_passed_over(speech_pcm: Pcm) -> None:
    data = encoded(speech_pcm, "mp3", "libmp3lame", 44100, 2)
    assert looked(data[5000:]).codec == "mp3float"


def test_a_very_short_recording_is_one(speech_pcm: Pcm) -> None:
    assert looked(wav(speech_pcm[:160].tobytes())).duration == 0.01


def test_an_absent_file_is_the_callers_mistake(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "absent", limits)


async def test_the_event_loop_goes_on_meanwhile(
    speech_pcm: Pcm, tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "given"
    source.write_bytes(wav(speech_pcm.tobytes()))
    gate = threading.Event()
    really = child.run

    def wait_and_run(*args, **options):  # type: ignore[no-untyped-def]
        assert gate.wait(30)
        return really(*args, **options)

    monkeypatch.setattr(child, "run", wait_and_run)
    look = asyncio.create_task(probe_async(source, limits))
    await asyncio.sleep(0)
    gate.set()  # only a loop that goes on comes here
    assert (await look).sample_rate == 16000


async def test_cancelling_ends_the_process_before_it_returns(
    speech_pcm: Pcm, tmp_path: Path, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, ready = tmp_path / "given", tmp_path / "ready"
    source.write_bytes(wav(speech_pcm.tobytes()))
    os.mkfifo(ready)
    monkeypatch.setattr(child, "_START", f"open({str(ready)!r}, 'w').close(); import time; time.sleep(600)")
    before = set(psutil.Process().children())
    look = asyncio.create_task(probe_async(source, replace(limits, wall_seconds=60)))
    await asyncio.to_thread(ready.read_bytes)  # the child is running now
    assert set(psutil.Process().children()) - before
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert set(psutil.Process().children()) <= before


async def test_a_refusal_reaches_who_waits(tmp_path: Path, limits: Limits) -> None:
    source = tmp_path / "given"
    source.write_bytes(b"no audio at all")
    with pytest.raises(InvalidAudio):
        await probe_async(source, limits)
