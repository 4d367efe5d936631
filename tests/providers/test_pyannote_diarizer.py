"""pyannote on real weights: what it gives is what pyannote's own pipeline gives, whatever is made of it around."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio.samples import SAMPLE_RATE
from engine.engine import Engine
from engine.slots import LIVE, Standing, standing
from providers.context import ProviderContext
from providers.diarizer import SpeakerBounds
from providers.pyannote_diarizer import PyannoteDiarizer
from providers.pyannote_loading import load
from providers.pyannote_weights import VoiceWeights
from providers.role import StepWatch
from speech.diarization import Diarization
from speech.errors import InvalidAudio, JobCancelled, ModelUnavailable
from tests.conftest import Clip
from tests.providers.conftest import Decode
from tests.providers.telephone_call import AGAIN, CALL, Call, annotated, cosine, error_rate, reference, spool_of

pytestmark = pytest.mark.models


@pytest.fixture(scope="session")
def context(context: ProviderContext) -> Iterator[ProviderContext]:
    """An engine whose calls take one thread: torch's wait for each other by spinning, beside other tests for long."""
    settings = context.settings.model_copy(update={"cpu_threads": 1})
    engine = Engine.from_settings(settings)
    yield ProviderContext(settings, context.weights, engine)
    engine.close()


@pytest.fixture(scope="session")
def diarizer(context: ProviderContext) -> PyannoteDiarizer:
    return PyannoteDiarizer(context)


@pytest.fixture(scope="session")
def call(diarizer: PyannoteDiarizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    with wave.open(str(CALL / "sample.wav"), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
    again = samples[int(AGAIN[0] * SAMPLE_RATE) : int(AGAIN[1] * SAMPLE_RATE)]
    spool = spool_of(np.concatenate([samples, again]), tmp_path_factory.mktemp("call") / "spool.pcm")
    shares: list[float] = []
    with diarizer._pipeline(StepWatch()) as pipeline, pytest.MonkeyPatch.context() as patch:
        import torch

        from providers import pyannote_hearing, pyannote_turns

        patch.setattr(pyannote_hearing, "BLOCK_WINDOWS", 12)
        patch.setattr(pyannote_turns, "BLOCK_WINDOWS", 12)
        heard = pyannote_hearing.hear(spool, lambda: nullcontext(pipeline), shares.append)
        found = pyannote_turns.from_heard(heard, pipeline, SpeakerBounds(), spool.duration)
        whole = {"waveform": torch.from_numpy(spool.read())[None], "sample_rate": SAMPLE_RATE, "uri": "call"}
        yield Call(spool, found, shares, pipeline.apply(whole), heard, pipeline)


def test_blocks_give_what_pyannote_gives_for_the_whole(call: Call) -> None:
    own = call.own.speaker_diarization
    expected = [(round(segment.start, 3), round(segment.end, 3)) for segment, _ in own.itertracks()]
    turns = call.found.turns
    assert [turn.start for turn in turns] == pytest.approx(
        [min(at, call.spool.duration) for at, _ in expected], abs=2e-3
    )
    assert [turn.end for turn in turns] == pytest.approx([min(at, call.spool.duration) for _, at in expected], abs=2e-3)
    assert error_rate(own, annotated(turns)) < 0.003  # its last turn may end a frame after the recording


def test_what_was_kept_of_a_recording_is_not_heard_again(
    call: Call, diarizer: PyannoteDiarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers import pyannote_hearing, pyannote_turns

    monkeypatch.setattr(pyannote_hearing, "BLOCK_WINDOWS", 12)
    monkeypatch.setattr(pyannote_turns, "BLOCK_WINDOWS", 12)
    windows = [(block.start, block.stop) for block in call.heard.windows.blocks(12)]
    heard = {at: (call.heard.active[slice(*at)], call.heard.voices[slice(*at)]) for at in windows}
    kept = {f"windows {at[0]} to {at[1]}": pyannote_hearing._written(block) for at, block in heard.items()}
    monkeypatch.setattr(pyannote_hearing, "_hear_block", lambda *_: pytest.fail("heard again"))
    parts = SimpleNamespace(recall=kept.get, keep=lambda *_: pytest.fail("kept again"))
    assert diarizer.diarize(call.spool, SpeakerBounds(), StepWatch(parts=parts)) == call.found


def test_two_speakers_are_told_apart(call: Call) -> None:
    known = annotated(reference())
    error = error_rate(known, annotated(call.found.turns))
    assert error <= error_rate(known, call.own.speaker_diarization) + 1e-3
    assert error < 0.08
    assert call.found.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert any(a.end > b.start and a.speaker != b.speaker for a, b in pairwise(call.found.turns))
    assert all(type(turn.start) is type(turn.end) is float for turn in call.found.turns)
    assert call.shares == sorted(call.shares)
    assert 0 <= call.shares[0] < call.shares[-1] <= 1.0


def test_voices_are_unit_vectors_of_their_speakers(call: Call, diarizer: PyannoteDiarizer, tmp_path: Path) -> None:
    first, second = call.found.voices
    assert [first.speaker, second.speaker] == ["SPEAKER_00", "SPEAKER_01"]
    assert np.linalg.norm(first.embedding) == pytest.approx(1.0)
    assert all(type(value) is float for value in first.embedding)
    talks = call.found.talk_times()
    assert all(0.5 * talks[voice.speaker] < voice.seconds <= talks[voice.speaker] for voice in (first, second))
    alone = diarizer.embed(spool_of(call.spool.read(22.0, 27.8), tmp_path / "alone.pcm"))
    speaks = next(turn.speaker for turn in call.found.turns if turn.start < 25.0 < turn.end)
    mine, other = (first, second) if speaks == first.speaker else (second, first)
    assert cosine(alone, mine.embedding) > 0.85
    assert cosine(alone, other.embedding) < 0.6  # the same telephone line


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        (SpeakerBounds(exactly=1), 1),
        (SpeakerBounds(exactly=3), 3),
        (SpeakerBounds(exactly=5), 5),
        (SpeakerBounds(most=1), 1),
        (SpeakerBounds(least=3), 3),
        (SpeakerBounds(least=1, most=4), 2),
    ],
    ids=str,
)
def test_the_number_of_speakers_is_kept(call: Call, bounds: SpeakerBounds, count: int) -> None:
    from providers.pyannote_turns import from_heard

    assert len(from_heard(call.heard, call.pipeline, bounds, call.spool.duration).speakers) == count


def test_many_voices_are_clustered_by_blocks_to_the_same(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from providers import pyannote_clustering, voice_clusters
    from providers.pyannote_turns import from_heard

    monkeypatch.setattr(pyannote_clustering, "EXACT", 10)
    monkeypatch.setattr(voice_clusters, "BLOCK", 12)
    monkeypatch.setattr(voice_clusters, "CENTROIDS", 24)
    found = from_heard(call.heard, call.pipeline, SpeakerBounds(), call.spool.duration)
    assert error_rate(annotated(call.found.turns), annotated(found.turns)) < 0.02


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 12.0])
def test_nobody_speaks_in_silence(seconds: float, diarizer: PyannoteDiarizer, tmp_path: Path) -> None:
    silence = spool_of(np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32), tmp_path / "silence.pcm")
    for bounds in (SpeakerBounds(), SpeakerBounds(exactly=2)):
        assert diarizer.diarize(silence, bounds) == Diarization()
    with pytest.raises(InvalidAudio, match=r"0\.0 s of one voice"):
        diarizer.embed(silence)


def test_one_second_of_speech_is_one_speaker(
    diarizer: PyannoteDiarizer, jfk: Path, decode: Decode, tmp_path: Path
) -> None:
    second = spool_of(decode(jfk)[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2], tmp_path / "second.pcm")
    for bounds in (SpeakerBounds(), SpeakerBounds(exactly=4)):
        found = diarizer.diarize(second, bounds)
        assert found.speakers == ("SPEAKER_00",)
        assert all(0 <= turn.start < turn.end <= 1.0 for turn in found.turns)
    with pytest.raises(InvalidAudio, match=r"at least 1\.5 s"):
        diarizer.embed(second)


def test_vectors_are_alike_for_one_voice_and_unlike_for_two(
    diarizer: PyannoteDiarizer, clips: list[Clip], decode: Decode, tmp_path: Path
) -> None:
    vectors = {}
    for name in ("librivox-0880", "librivox-0930", "jfk"):
        clip = next(clip for clip in clips if clip.name == name)
        vectors[name] = diarizer.embed(spool_of(decode(clip.path), tmp_path / name))
    assert cosine(vectors["librivox-0880"], vectors["librivox-0930"]) > 0.8
    assert cosine(vectors["librivox-0880"], vectors["jfk"]) < 0.3


def test_a_cancelled_job_stops_between_two_calls(
    diarizer: PyannoteDiarizer, call: Call, context: ProviderContext
) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    with pytest.raises(JobCancelled):
        diarizer.diarize(call.spool, SpeakerBounds(), StepWatch(cancelled=cancelled))
    assert asked < 10
    assert context.engine.stats().busy == 0


def test_others_get_their_turns_between_the_calls(
    diarizer: PyannoteDiarizer, call: Call, context: ProviderContext
) -> None:
    begun, over = threading.Event(), threading.Event()

    def heard(share: float) -> None:
        begun.set()
        if over.is_set():
            raise InterruptedError  # has seen what was to be seen

    def work() -> None:
        with pytest.raises(InterruptedError):
            diarizer.diarize(call.spool, SpeakerBounds(), StepWatch(advanced=heard))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    with standing(Standing(rank=LIVE)), context.engine.slot():
        assert thread.is_alive()
        over.set()
    thread.join(60)
    assert not thread.is_alive()


def test_the_network_of_voices_gives_what_its_authors_code_gives(diarizer: PyannoteDiarizer) -> None:
    import torch

    with diarizer._pipeline(StepWatch()) as pipeline, torch.inference_mode():
        network = pipeline._embedding.model_.network
        features = torch.sin(torch.arange(2 * 123 * 80).reshape(2, 123, 80) * 0.37)
        vectors = network(features)
    # By the code of 3D-Speaker (speakerlab/models/campplus) with the same weights.
    assert vectors[0, :4].tolist() == pytest.approx([-1.05265, -0.21732, 0.55206, -0.87022], abs=1e-3)
    assert vectors[1, -4:].tolist() == pytest.approx([0.10107, 0.52416, -0.91267, 0.02068], abs=1e-3)


def test_nothing_that_a_file_says_is_run(context: ProviderContext, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    import torch

    torch.save({"state_dict": Trap()}, tmp_path / "segmentation.bin")
    torch.save({}, tmp_path / "campplus.pt")
    for hashes in ((), (("segmentation.bin", "0" * 64),)):
        weights = VoiceWeights(tmp_path, "sha256:0", 1, hashes)
        with pytest.raises(ModelUnavailable, match="is not opened"):
            load(weights, context.engine.device)
    (tmp_path / "segmentation.bin").write_bytes(b"junk")
    with pytest.raises(ModelUnavailable):
        load(VoiceWeights(tmp_path, "sha256:0", 1), context.engine.device)
    assert not (tmp_path / "sprung").exists()


def test_a_pipeline_as_pyannote_publishes_them_works(context: ProviderContext, call: Call, tmp_path: Path) -> None:
    """Its embeddings and PLDA have the right shapes and no sense: that it runs is seen, and no more."""
    mine = published(tmp_path / "mine", call)
    settings = context.settings.model_copy(update={"diarization_model": str(mine)})
    store = type(context.weights).from_settings(settings)
    other = PyannoteDiarizer(ProviderContext(settings, store, context.engine))
    assert other.availability().available
    short = spool_of(call.spool.read(6.0, 18.0), tmp_path / "short.pcm")
    found = other.diarize(short, SpeakerBounds(exactly=2))
    assert 1 <= len(found.speakers) <= 2
    assert {len(voice.embedding) for voice in found.voices} == {256}


def published(folder: Path, call: Call) -> Path:
    import torch
    import yaml
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(0)
    embedding = WeSpeakerResNet34()
    embedding.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0)
    embedding.build()
    for name, network in (("segmentation", call.pipeline._segmentation.model), ("embedding", embedding)):
        stored = {"state_dict": network.state_dict(), "hyper_parameters": dict(network.hparams)}
        network.on_save_checkpoint(stored)
        (folder / name).mkdir(parents=True)
        torch.save(stored, folder / name / "pytorch_model.bin")
    chance = np.random.default_rng(0)
    (folder / "plda").mkdir()
    turned = chance.normal(size=(256, 128)) / 16
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=turned)
    spread = np.sort(chance.uniform(0.1, 3, 128))[::-1].copy()
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=spread)
    options = {"clustering": "VBxClustering", "embedding_exclude_overlap": True, "plda": "$model/plda"}
    values = {"segmentation": {"min_duration_off": 0.0}, "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}}
    config = {"pipeline": {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": options}, "params": values}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_the_networks_are_borrowed_block_by_block(
    diarizer: PyannoteDiarizer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers import pyannote_hearing, pyannote_turns

    users: list[int] = []
    mine = diarizer._pipeline

    @contextmanager
    def noted(watch: StepWatch) -> Iterator[Any]:
        users.append(sum(model.users for model in diarizer._engine.pool.stats().models))
        with mine(watch) as pipeline:
            yield pipeline

    monkeypatch.setattr(pyannote_hearing, "BLOCK_WINDOWS", 4)
    monkeypatch.setattr(pyannote_turns, "BLOCK_WINDOWS", 4)
    monkeypatch.setattr(diarizer, "_pipeline", noted)
    short = call.spool.read(6.0, 22.0)
    diarizer.diarize(spool_of(short, Path(call.spool.path).with_name("short.pcm")), SpeakerBounds())
    assert len(users) >= 4  # at least two blocks, and before and after them
    assert max(users) <= min(users)  # nobody held them from one block to the next
