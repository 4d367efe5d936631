"""Folders of blobs that others take away meanwhile, and that cannot be made."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from speech.errors import SpeechError
from storage.blobs import Blobs, BlobsUnusable


def test_writing_while_the_folder_is_being_tidied(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path / "blobs"))
    failures: list[BaseException] = []

    def churn(name: str) -> None:
        try:
            for _ in range(200):
                blobs.write(f"shared/folder/{name}", b"x")
                blobs.delete(f"shared/folder/{name}")
        except (OSError, SpeechError) as error:
            failures.append(error)

    threads = [threading.Thread(target=churn, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_folder_whose_disk_is_away(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to(tmp_path / "unmounted")
    blobs = Blobs(str(tmp_path / "disk" / "blobs"))
    for use in (blobs.check, lambda: blobs.write("owners/a", b"1")):
        with pytest.raises(BlobsUnusable):
            use()
    (tmp_path / "unmounted").mkdir()
    blobs.write("owners/a", b"1")
    assert blobs.read("owners/a") == b"1"
