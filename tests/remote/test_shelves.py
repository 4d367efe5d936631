"""Every kind of store against a real server of it: the same tests for all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from remote.shelf import beside
from remote.stores import TAGGABLE
from speech.errors import SourceChanged, UrlNotFound, UrlRefused
from tests.object_stores import (
    Depot,
    az_depot,
    azure_endpoint,
    depot,
    file_depot,
    gcs_endpoint,
    gs_depot,
    s3_depot,
    s3_endpoint,
)

__all__ = [
    "az_depot",
    "azure_endpoint",
    "depot",
    "file_depot",
    "gcs_endpoint",
    "gs_depot",
    "s3_depot",
    "s3_endpoint",
]


def test_a_folder_is_listed_in_pages_and_its_neighbour_is_not(depot: Depot) -> None:
    for name in ("a.wav", "b c.wav", "deep/er/ünï.wav", "d.wav", "e.wav"):
        depot.put(name)
    if depot.place.scheme != "file":  # there nothing beside the allowed folder can be written
        depot.shelf.write(f"{depot.place.key}box/other.wav", b"not ours")
    pages = list(depot.shelf.pages(depot.place.key, 2))
    assert [len(page) <= 2 for page in pages] == [True] * len(pages)
    assert depot.names() == ["a.wav", "b c.wav", "d.wav", "deep/er/ünï.wav", "e.wav"]


def test_what_is_listed_is_what_is_found_and_read(depot: Depot) -> None:
    depot.put("a b.wav", b"one")
    ((listed,),) = list(depot.shelf.pages(depot.place.key))
    found = depot.shelf.look(depot.key("a b.wav"))
    assert (listed.key, listed.version, listed.size_bytes) == (found.key, found.version, 3)
    assert depot.get("a b.wav") == b"one"


def test_new_bytes_are_a_new_version(depot: Depot) -> None:
    depot.put("a.wav", b"one")
    before = depot.shelf.look(depot.key("a.wav"))
    depot.put("a.wav", b"other")
    after = depot.shelf.look(depot.key("a.wav"))
    assert before.version != after.version
    assert after.changed_at >= before.changed_at


def test_an_empty_folder_has_no_pages_with_anything(depot: Depot) -> None:
    assert [one for page in depot.shelf.pages(depot.place.key) for one in page] == []


def test_what_is_not_there_is_final(depot: Depot) -> None:
    with pytest.raises(UrlNotFound):
        depot.shelf.look(depot.key("none.wav"))
    with pytest.raises(UrlNotFound):
        depot.get("none.wav")
    with pytest.raises(UrlNotFound):
        depot.shelf.move(depot.key("none.wav"), depot.place.bucket, depot.key("moved.wav"), "1")


def test_moving_again_changes_nothing(depot: Depot) -> None:
    depot.put("a b.wav", b"one")
    version = depot.shelf.look(depot.key("a b.wav")).version
    for _ in range(2):
        depot.shelf.move(depot.key("a b.wav"), depot.place.bucket, depot.key("old/a b.wav"), version)
    assert depot.names() == ["old/a b.wav"]
    assert depot.get("old/a b.wav") == b"one"


def test_what_is_moved_is_the_version_that_was_meant_and_goes_over_no_other(depot: Depot) -> None:
    depot.put("a.wav", b"one")
    depot.put("old/a.wav", b"another")
    version = depot.shelf.look(depot.key("a.wav")).version
    with pytest.raises(SourceChanged):
        depot.shelf.move(depot.key("a.wav"), depot.place.bucket, depot.key("old/a.wav"), "none")
    for _ in range(2):
        depot.shelf.move(depot.key("a.wav"), depot.place.bucket, depot.key("old/a.wav"), version)
    second = beside("old/a.wav", version)
    assert depot.names() == sorted(["old/a.wav", second])
    assert (depot.get("old/a.wav"), depot.get(second)) == (b"another", b"one")


def test_a_file_that_is_still_written_is_not_at_rest(file_depot: Depot) -> None:
    file_depot.put("a.wav")
    assert file_depot.shelf.look(file_depot.key("a.wav")).at_rest
    Path(f"/{file_depot.key('a.wav')}").write_bytes(b"more")
    assert not file_depot.shelf.look(file_depot.key("a.wav")).at_rest


def test_tags_are_put_beside_those_that_are_there(depot: Depot) -> None:
    depot.put("a.wav", b"one")
    if depot.place.scheme not in TAGGABLE:
        with pytest.raises(UrlRefused):
            depot.shelf.tag(depot.key("a.wav"), "state", "done")
        return
    before = depot.shelf.look(depot.key("a.wav")).version
    depot.shelf.tag(depot.key("a.wav"), "who", "me")
    depot.shelf.tag(depot.key("a.wav"), "state", "done")
    assert tags_of(depot, "a.wav") == {"who": "me", "state": "done"}
    assert depot.shelf.look(depot.key("a.wav")).version == before


def tags_of(depot: Depot, name: str) -> dict[str, str]:
    shelf = depot.shelf
    if depot.place.scheme == "s3":
        return dict(shelf.files.get_tags(f"{depot.place.bucket}/{depot.key(name)}"))  # type: ignore[attr-defined]
    client = shelf._client(depot.key(name))  # type: ignore[attr-defined]
    return dict(shelf._run(client.get_blob_tags()))  # type: ignore[attr-defined]


def test_links_that_lead_outside_are_not_followed(file_depot: Depot, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    folder = Path(f"/{file_depot.place.key}")
    (folder / "link.wav").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "real.wav").write_bytes(b"one")
    (folder / "same.wav").symlink_to("real.wav")
    os.mkfifo(folder / "pipe.wav")
    assert file_depot.names() == ["real.wav", "same.wav"]
    for name in ("link.wav", "up/secret.wav", "../../secret.wav", "pipe.wav"):
        with pytest.raises(UrlRefused):
            file_depot.get(name)
    with pytest.raises(UrlRefused):
        file_depot.put("up/new.wav")
    with pytest.raises(UrlRefused):
        file_depot.shelf.move(file_depot.key("real.wav"), "", file_depot.key("up/real.wav"), "1")
    with pytest.raises(UrlRefused):
        file_depot.shelf.move(file_depot.key("link.wav"), "", file_depot.key("moved.wav"), "1")
    assert (secret.read_bytes(), sorted(path.name for path in tmp_path.iterdir())) == (
        b"secret",
        ["depot", "secret.wav"],
    )


def test_a_file_that_is_moved_in_is_new_whatever_its_time_says(file_depot: Depot) -> None:
    path = Path(f"/{file_depot.place.key}/a.wav")
    path.write_bytes(b"one")
    os.utime(path, (1000, 1000))
    assert file_depot.shelf.look(file_depot.key("a.wav")).changed_at.year > 2000


def test_a_name_that_is_too_long_for_the_disk_is_final(file_depot: Depot) -> None:
    with pytest.raises(UrlRefused, match="too long"):
        file_depot.put("x" * 300)


def test_the_pages_of_a_folder_are_read_by_the_name_it_was_asked_by(file_depot: Depot, tmp_path: Path) -> None:
    file_depot.put("a.wav")
    link = tmp_path / "depot" / "link"
    link.symlink_to(Path(f"/{file_depot.place.key}"))
    linked = Depot(f"file://{link}")
    assert linked.names() == ["a.wav"]
    assert linked.get("a.wav") == b"audio"
