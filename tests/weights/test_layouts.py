"""Models of other kinds than Whisper in the same store: their files, their digests, and that nobody takes one for the
other."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from speech.errors import ModelNotFound, ModelUnavailable
from tests.weights.conftest import Hub
from tests.weights.test_store import by_hand
from tests.weights.toy import COMMIT, REPOSITORY, sha256, toy
from weights.entries import CatalogEntry, HubSource, WheelFile, WheelSource
from weights.layouts import PYANNOTE_PIPELINE, VOICE_NETWORKS, WHISPER, layout_of
from weights.manifest import digest_of
from weights.store import WeightStore

PIPELINE = {
    "config.yaml": b"pipeline: {}",
    "segmentation/pytorch_model.bin": b"segments",
    "embedding/pytorch_model.bin": b"voices",
    "plda/plda.npz": b"plda",
    "plda/xvec_transform.npz": b"transform",
}
DIGEST = digest_of({name: sha256(data) for name, data in PIPELINE.items()})


def pipeline_entry(files: dict[str, bytes] = PIPELINE) -> CatalogEntry:
    pins = tuple((name, sha256(data)) for name, data in files.items())
    hub = HubSource(REPOSITORY, COMMIT, sha256s=pins)
    return CatalogEntry("speakers", (), 10, 100, hub, layout=PYANNOTE_PIPELINE)


def pipeline_folder(folder: Path) -> Path:
    for name, data in PIPELINE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def store_of(folder: Path, hub: Hub, entry: CatalogEntry) -> WeightStore:
    return WeightStore(
        folder, endpoint=hub.endpoint, index_arguments=("--no-index",), catalog=(entry, toy(wheels=False))
    )


def test_a_pipeline_of_several_folders_comes_from_the_hub(tmp_path: Path, hub: Hub) -> None:
    hub.files = dict(PIPELINE)
    store = store_of(tmp_path / "models", hub, pipeline_entry())
    path = store.path("speakers")
    assert {name: (path / name).read_bytes() for name in PIPELINE} == PIPELINE
    assert store.digest("speakers") == DIGEST
    assert [found.name for found in store.list(PYANNOTE_PIPELINE)] == ["speakers"]
    assert store.list(WHISPER) == ()


def test_a_file_of_the_hub_that_is_another_than_the_pinned_one_is_refused(tmp_path: Path, hub: Hub) -> None:
    hub.files = {**PIPELINE, "embedding/pytorch_model.bin": b"a pickle"}
    store = store_of(tmp_path / "models", hub, pipeline_entry())
    with pytest.raises(ModelUnavailable, match=r"embedding/pytorch_model\.bin .* sha256"):
        store.path("speakers")
    assert not store.installed("speakers")


def test_nobody_takes_one_kind_for_another(tmp_path: Path, hub: Hub) -> None:
    store = store_of(tmp_path / "models", hub, pipeline_entry())
    store.check("speakers", PYANNOTE_PIPELINE)
    with pytest.raises(ModelNotFound, match="toy"):
        store.check("speakers", WHISPER)
    with pytest.raises(ModelNotFound):
        store.check("toy", PYANNOTE_PIPELINE)
    assert [entry.name for entry in store.known(WHISPER)] == ["toy"]
    by_hand(tmp_path / "models" / "speakers")  # a Whisper model under that name
    assert not store.installed("speakers")


def test_a_folder_elsewhere_is_told_by_its_files(tmp_path: Path) -> None:
    mine = pipeline_folder(tmp_path / "mine")
    store = WeightStore(tmp_path / "models", trusted=(str(mine),))
    assert store.path(str(mine)) == mine
    before = store.digest(str(mine))
    assert before == DIGEST
    (mine / "embedding" / "pytorch_model.bin").write_bytes(b"fine-tuned")
    assert store.digest(str(mine)) != before
    assert layout_of(mine) is PYANNOTE_PIPELINE
    assert layout_of(tmp_path) is None


def test_a_wheel_for_another_platform_gives_its_files(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    files = {"segmentation.bin": b"segments", "campplus.pt": b"voices"}
    with zipfile.ZipFile(index / "toy_voices-1.0.0-cp399-cp399-win_arm64.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(f"toy/{name}", data)
        archive.writestr(
            "toy_voices-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-voices\nVersion: 1.0.0\n"
        )
        archive.writestr("toy_voices-1.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp399-cp399-win_arm64\n")
    wheels = WheelSource(
        tuple(WheelFile(n, len(d), sha256(d), (("toy-voices==1.0.0", f"toy/{n}"),)) for n, d in files.items()),
        ("--python-version", "3.99", "--implementation", "cp", "--platform", "win_arm64"),
    )
    entry = CatalogEntry("voices", (), 10, 100, wheels=wheels, layout=VOICE_NETWORKS)
    arguments = ("--no-index", "--find-links", str(index))
    store = WeightStore(tmp_path / "models", offline=True, index_arguments=arguments, catalog=(entry,))
    assert {file.name: file.read_bytes() for file in store.path("voices").iterdir() if file.suffix != ".json"} == files
