"""Speech is found exactly where faster-whisper finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from faster_whisper.vad import VadOptions as TheirOptions
from faster_whisper.vad import get_speech_timestamps, get_vad_model
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio import vad
from audio.samples import Samples
from audio.spool import Spool
from audio.vad import VoiceActivity, speech_spans
from speech.errors import JobCancelled
from speech.options import VadOptions

ROOT = Path(__file__).parents[2]

Write = Callable[[NDArray[np.generic]], Spool]


@pytest.fixture(scope="module")
def activity() -> VoiceActivity:
    return VoiceActivity.load()


@pytest.fixture(scope="module")
def recordings(clips) -> list[Samples]:  # type: ignore[no-untyped-def]
    return [decode_audio(str(clip.path)) for clip in clips]


@pytest.fixture(scope="module")
def long_recording(recordings: list[Samples]) -> Samples:
    """All clips with pauses of up to 40 s, silent and noisy."""
    random = np.random.default_rng(7)
    parts: list[Samples] = []
    for number, clip in enumerate(recordings):
        pause = int(random.uniform(0.05, 40) * 16_000)
        noise = np.round(random.normal(0, 200 * (number % 2), pause)) / 32768
        parts += [clip, noise.astype(np.float32)]
    return np.concatenate(parts)


def theirs(
    samples: Samples, options: VadOptions, probabilities: NDArray[np.float32] | None = None
) -> list[tuple[int, int]]:
    asked = TheirOptions(
        threshold=options.threshold,
        min_silence_duration_ms=1000 * options.min_silence,  # type: ignore[arg-type]
        max_speech_duration_s=options.max_segment,
        speech_pad_ms=400,
    )
    with pytest.MonkeyPatch.context() as patch:
        if probabilities is not None:
            patch.setattr("faster_whisper.vad.get_vad_model", lambda: lambda padded: probabilities)
        return [(chunk["start"], chunk["end"]) for chunk in get_speech_timestamps(samples, asked)]


def ours(probabilities: NDArray[np.float32], options: VadOptions, samples: int) -> list[tuple[int, int]]:
    return [(span.first, span.last) for span in speech_spans(probabilities, options, samples / 16_000)]


def test_the_network_s_library_reports_to_nobody(tmp_path: Path) -> None:
    """It leaves the id of a session in the folder of temporary files when it does."""
    program = "from audio.vad import VoiceActivity; VoiceActivity.load()"
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], env={**kept, "TMPDIR": str(tmp_path)}, cwd=ROOT, check=True)
    assert list(tmp_path.iterdir()) == []


def test_every_clip_has_the_same_spans(activity: VoiceActivity, recordings: list[Samples], spooled: Write) -> None:
    for samples in recordings:
        spool = spooled(samples)
        probabilities = activity.probabilities(spool)
        assert len(probabilities) == spool.sample_count // vad.WINDOW + 1
        assert ours(probabilities, VadOptions(), len(samples)) == theirs(samples, VadOptions())


def test_a_long_recording_has_the_same_probabilities_and_spans(
    activity: VoiceActivity, long_recording: Samples, spooled: Write
) -> None:
    probabilities = activity.probabilities(spooled(long_recording))
    padded = np.pad(long_recording, (0, 512 - len(long_recording) % 512))
    reference = get_vad_model()(padded)
    np.testing.assert_allclose(probabilities, reference, atol=1e-5, rtol=0)
    found = 0
    for threshold in (0.1, 0.35, 0.5, 0.8):
        for min_silence in (0.0, 0.1, 0.5, 2.0):
            for max_segment in (1, 5, 30, 3600):
                options = VadOptions(threshold=threshold, min_silence=min_silence, max_segment=max_segment)
                expected = theirs(long_recording, options, reference)
                assert ours(probabilities, options, len(long_recording)) == expected, options
                found += len(expected)
    assert found > 1000


@pytest.mark.parametrize("surplus", [-70, -63, -1, 0, 1, 511])
def test_the_last_window_is_filled_up_as_by_faster_whisper(
    activity: VoiceActivity, recordings: list[Samples], spooled: Write, surplus: int
) -> None:
    samples = recordings[0][: 512 * 60 + surplus]
    reference = get_vad_model()(np.pad(samples, (0, 512 - len(samples) % 512)))
    np.testing.assert_allclose(activity.probabilities(spooled(samples)), reference, atol=1e-5, rtol=0)


@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.36, 0.5, 0.9]), st.integers(1, 60)), max_size=30),
    threshold=st.sampled_from([0.05, 0.3, 0.5, 0.9]),
    min_silence=st.sampled_from([0.0, 0.064, 0.1, 0.5, 2.0]),
    max_segment=st.sampled_from([1, 2, 10, 30]),
    surplus=st.integers(0, 511),
)
def test_any_probabilities_give_the_same_spans(
    runs: list[tuple[float, int]], threshold: float, min_silence: float, max_segment: float, surplus: int
) -> None:
    probabilities = np.array([value for value, length in runs for _ in range(length)] + [0.9], dtype=np.float32)
    samples = np.zeros((len(probabilities) - 1) * 512 + surplus, dtype=np.float32)
    options = VadOptions(threshold=threshold, min_silence=min_silence, max_segment=max_segment)
    assert ours(probabilities, options, len(samples)) == theirs(samples, options, probabilities)


def test_silence_and_noise_are_no_speech(activity: VoiceActivity, spooled: Write) -> None:
    noise = np.random.default_rng(1).normal(0, 400, 16_000 * 20).astype(np.int16)
    for samples in (np.zeros(16_000 * 20, dtype=np.int16), noise):
        spool = spooled(samples)
        assert speech_spans(activity.probabilities(spool), VadOptions(), spool.duration) == ()


def test_speech_after_a_long_pause_is_found_where_it_is(
    activity: VoiceActivity, recordings: list[Samples], spooled: Write
) -> None:
    pause = np.zeros(16_000 * 300, dtype=np.float32)
    spool = spooled(np.concatenate([recordings[0], pause, recordings[0]]))
    spans = speech_spans(activity.probabilities(spool), VadOptions(), spool.duration)
    second = len(recordings[0]) / 16_000 + 300
    assert all(span.end <= second - 295 or span.start >= second - 1 for span in spans)
    assert spans[-1].start >= second - 1


def test_threads_share_one_network(activity: VoiceActivity, recordings: list[Samples], spooled: Write) -> None:
    spool = spooled(np.concatenate(recordings[:4]))
    alone = activity.probabilities(spool)
    answers: list[NDArray[np.float32]] = []
    threads = [threading.Thread(target=lambda: answers.append(activity.probabilities(spool))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(answer, alone) for answer in answers)
    assert len(answers) == 3


def test_it_stops_when_the_job_is_cancelled(activity: VoiceActivity, spooled: Write) -> None:
    with pytest.raises(JobCancelled):
        activity.probabilities(spooled(np.zeros(16_000, dtype=np.int16)), cancelled=lambda: True)


def test_missing_weights_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vad.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="faster-whisper"):
        VoiceActivity.load()
