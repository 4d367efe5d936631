"""Repositories at a commit: pulled once, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from speech.errors import ModelUnavailable
from tests.weights.conftest import Hub
from tests.weights.toy import COMMIT, REPOSITORY
from weights.snapshots import Snapshot

NAMED = f"{REPOSITORY}@{COMMIT}"


@pytest.mark.parametrize("name", [REPOSITORY, f"{REPOSITORY}@main", f"/models/x@{COMMIT}", f"x@{COMMIT}", ""])
def test_a_repository_without_a_commit_is_none(name: str) -> None:
    assert Snapshot.named(name) is None


def test_what_matches_is_pulled_once(hub: Hub, tmp_path: Path) -> None:
    snapshot = Snapshot.named(NAMED)
    assert snapshot is not None
    folder = snapshot.pulled(tmp_path, ["*.bin"], endpoint=hub.endpoint)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"model.bin": hub.files["model.bin"]}
    asked = hub.asked.total()
    assert snapshot.pulled(tmp_path, ["*.bin"], offline=True, endpoint=hub.endpoint) == folder
    assert hub.asked.total() == asked


def test_what_the_hub_does_not_give_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_right"
    snapshot = Snapshot.named(NAMED)
    assert snapshot is not None
    with pytest.raises(ModelUnavailable) as caught:
        snapshot.pulled(tmp_path, ["*.bin"], token="hf_wrong", endpoint=hub.endpoint)
    assert "hf_wrong" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="offline"):
        snapshot.pulled(tmp_path, ["*.bin"], offline=True, endpoint=hub.endpoint)
    assert not snapshot.folder(tmp_path).exists()
    assert [path for path in (tmp_path / ".snapshots").iterdir() if path.is_dir()] == []


def test_files_that_the_hub_names_otherwise_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.listed_sha256 = "0" * 64
    snapshot = Snapshot.named(NAMED)
    assert snapshot is not None
    with pytest.raises(ModelUnavailable, match="sha256"):
        snapshot.pulled(tmp_path, ["*.bin"], endpoint=hub.endpoint)
    assert not snapshot.folder(tmp_path).exists()
