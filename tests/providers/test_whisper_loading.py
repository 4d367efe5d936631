"""Models that cannot be loaded, devices that cannot run them: each a sentence, in our own errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.pool import ModelPool
from providers.context import ProviderContext
from providers.faster_whisper import FasterWhisper
from providers.whisper_errors import translated
from providers.whisper_loading import bytes_per_weight, languages_of, load, memory_of
from speech.errors import JobCancelled, ModelUnavailable, ProviderRejected, ProviderUnavailable, SpeechError
from speech.options import TranscribeRequest
from tests.conftest import Clip
from tests.providers.conftest import Decode
from weights.languages import ENGLISH, WHISPER, WHISPER_V3
from weights.store import WeightStore

Break = Callable[[Path], object]


@pytest.fixture
def tiny(weights: WeightStore, tmp_path: Path) -> Path:
    """A copy of tiny.en that a test may break."""
    return shutil.copytree(weights.path("tiny.en"), tmp_path / "tiny")


def _halve(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.models
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.bin").unlink(),
        lambda folder: _halve(folder / "model.bin"),
        lambda folder: (folder / "model.bin").write_bytes(b"junk" * 100),
        lambda folder: (folder / "model.bin").write_bytes(b""),
        lambda folder: (folder / "vocabulary.txt").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        lambda folder: (folder / "tokenizer.json").unlink(),
    ],
    ids=["no weights", "half", "junk", "empty", "no vocabulary", "config", "tokenizer", "no tokenizer"],
)
def test_a_broken_model_is_unavailable_and_named(tiny: Path, context: ProviderContext, damage: Break) -> None:
    damage(tiny)
    with pytest.raises(ModelUnavailable, match="pull it anew") as caught:
        load(tiny, context.engine.device, 1)
    assert str(tiny) in caught.value.message


@pytest.mark.models
def test_a_compute_type_that_the_device_lacks_is_a_sentence(tiny: Path, context: ProviderContext) -> None:
    with pytest.raises(ProviderUnavailable, match="WOA_COMPUTE_TYPE"):
        load(tiny, replace(context.engine.device, compute_type="float16"), 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA failed with error out of memory"), ProviderUnavailable),
        (RuntimeError("CUDA failed with error CUDA driver version is insufficient"), ProviderUnavailable),
        (RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"), ProviderUnavailable),
        (OSError("libcublasLt.so.12: cannot open shared object file"), ProviderUnavailable),
        (MemoryError("std::bad_alloc"), ProviderUnavailable),
        (ValueError("The length of the prompt is 225, and the `max_new_tokens` 440."), ProviderRejected),
    ],
)
def test_errors_that_are_known_become_ours(error: Exception, kind: type[SpeechError]) -> None:
    with pytest.raises(kind) as caught, translated():
        raise error
    assert caught.value.__cause__ is error
    assert str(error) not in caught.value.message


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("something new"),
        ValueError("something new"),
        KeyError("tokens"),
        ZeroDivisionError(),
        JobCancelled("CUDA out of memory is a word of the job's"),
    ],
    ids=repr,
)
def test_errors_that_are_not_known_pass_untouched(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error
    assert caught.value is error


def test_a_bug_while_loading_is_no_fault_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(KeyError), translated(loading=tmp_path):
        raise KeyError("tokens")


@pytest.mark.parametrize(
    ("size", "languages"), [(51864, ENGLISH), (51865, WHISPER), (51866, WHISPER_V3)], ids=["english", "v2", "v3"]
)
@pytest.mark.parametrize("form", ["json", "txt"])
def test_languages_are_told_from_the_vocabulary(
    tmp_path: Path, size: int, languages: tuple[str, ...], form: str
) -> None:
    words = [f"w{number}" for number in range(size)]
    text = json.dumps(words) if form == "json" else "".join(f"{word}\n" for word in words)
    (tmp_path / f"vocabulary.{form}").write_text(text)
    assert languages_of(tmp_path) == languages


@pytest.mark.parametrize("broken", [None, "{"])
def test_a_folder_without_a_vocabulary_is_no_whisper_model(tmp_path: Path, broken: str | None) -> None:
    if broken is not None:
        (tmp_path / "vocabulary.json").write_text(broken)
    with pytest.raises(ModelUnavailable, match="vocabulary"):
        languages_of(tmp_path)


@pytest.mark.models
def test_real_models_say_their_languages(weights: WeightStore) -> None:
    assert languages_of(weights.path("tiny.en")) == ENGLISH
    assert languages_of(weights.path("base")) == WHISPER


def test_memory_follows_the_compute_type() -> None:
    assert bytes_per_weight("int8") == bytes_per_weight("int8_float16") == 1
    assert bytes_per_weight("float16") == bytes_per_weight("bfloat16") == bytes_per_weight("int16") == 2
    assert bytes_per_weight("float32") == 4


@pytest.mark.models
def test_the_estimate_of_memory_is_not_less_than_what_a_model_takes(weights: WeightStore) -> None:
    script = (
        "import sys, psutil; from pathlib import Path; from engine.device import Device; "
        "from providers.whisper_loading import load; import faster_whisper; "
        "before = psutil.Process().memory_info().rss; "
        "model = load(Path(sys.argv[1]), Device('cpu', 0, 'int8', 2, 0), 1); "
        "print(psutil.Process().memory_info().rss - before)"
    )
    path = weights.path("base")
    found = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    entry = weights.entry("base")
    assert entry is not None
    assert 0 < int(found.stdout) <= entry.memory_bytes(1)
    assert memory_of(path, "int8") == pytest.approx(entry.memory_bytes(1), rel=0.05)


# Models of one's own


@pytest.mark.models
def test_a_model_put_into_the_folder_is_listed_and_used(
    context: ProviderContext, tmp_path: Path, short: Clip, decode: Decode
) -> None:
    store = WeightStore(tmp_path / "models", offline=True)
    shutil.copytree(context.weights.path("tiny.en"), tmp_path / "models" / "ours")
    (tmp_path / "models" / "ours" / "manifest.json").unlink(missing_ok=True)
    other = tmp_path / "models" / "punctuation"
    other.mkdir()
    for name in ("model.bin", "config.json"):
        (other / name).write_text("{}")
    whisper = FasterWhisper(ProviderContext(context.settings, store, context.engine))
    listed = {model.name: model for model in whisper.models()}
    assert "punctuation" not in listed
    assert (listed["ours"].installed, listed["ours"].languages, listed["ours"].source) == (True, ENGLISH, "folder")
    assert listed["ours"].digest == whisper.digest("ours")
    assert not listed["tiny.en"].installed
    found = whisper.recognise(decode(short.path), whisper.check(TranscribeRequest(model="ours")))
    assert found.language == "en"
    assert found.segments


@pytest.mark.models
def test_the_operator_s_default_may_lie_elsewhere(
    context: ProviderContext, tiny: Path, tmp_path: Path, short: Clip, decode: Decode
) -> None:
    settings = context.settings.model_copy(update={"default_model": str(tiny), "models_dir": tmp_path / "none"})
    store = WeightStore.from_settings(settings)
    whisper = FasterWhisper(ProviderContext(settings, store, context.engine))
    assert [model.name for model in whisper.models() if model.default] == [str(tiny)]
    assert whisper.availability().available
    assert whisper.recognise(decode(short.path), whisper.check(TranscribeRequest())).segments


def test_a_default_that_there_is_not_makes_the_provider_unavailable(context: ProviderContext) -> None:
    settings = context.settings.model_copy(update={"default_model": "huge"})
    state = FasterWhisper(ProviderContext(settings, context.weights, context.engine)).availability()
    assert not state.available
    assert "huge" in str(state.reason)
    assert "WOA_DEFAULT_MODEL" in str(state.mend)


def test_a_device_that_is_not_there_makes_the_provider_unavailable(context: ProviderContext) -> None:
    device = replace(context.engine.device, kind="cuda", usable=False, problem="There is no GPU.")
    engine = Engine(device, ModelPool(10**9))
    state = FasterWhisper(ProviderContext(context.settings, context.weights, engine)).availability()
    assert (state.available, state.reason) == (False, "There is no GPU.")
    assert "WOA_DEVICE" in str(state.mend)


def test_what_decides_the_text_is_in_the_engine_s_version(context: ProviderContext) -> None:
    def version(compute_type: str) -> str:
        engine = Engine(replace(context.engine.device, compute_type=compute_type), ModelPool(1))
        return FasterWhisper(ProviderContext(context.settings, context.weights, engine)).engine_version()

    assert version("int8") != version("float32")
    assert version("int8").startswith("faster-whisper 1.")
