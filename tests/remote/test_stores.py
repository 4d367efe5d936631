"""Which places ingestion may use, and which names are taken."""

from __future__ import annotations

from typing import Any

import pytest

from remote.buckets import BucketUrl
from remote.stores import AllowedStores, check_package, parse_place, refusal_of
from speech.errors import UrlRefused
from speech.settings import Settings


def stores(**given: Any) -> AllowedStores:
    return AllowedStores.from_settings(Settings(_env_file=None, ingest_stores=given))  # type: ignore[call-arg]


def test_the_longest_prefix_counts_and_ends_where_a_name_ends() -> None:
    allowed = stores(all={"url": "s3://calls"}, some={"url": "s3://calls/in/", "write": True})
    assert allowed.of(parse_place("s3://calls/in/a"), "x").name == "some"
    assert allowed.of(parse_place("s3://calls/inbox"), "x").name == "all"
    with pytest.raises(UrlRefused, match="ingest_stores"):
        allowed.of(parse_place("s3://others/in"), "x")


def test_writing_and_owners_are_allowed_each_for_itself() -> None:
    allowed = stores(
        read={"url": "gs://calls"},
        write={"url": "file:///srv/out", "write": True},
        hers={"url": "az://ann", "owners": ["alice"]},
    )
    allowed.of(parse_place("file:///srv/out/x"), "bob", write=True)
    allowed.of(parse_place("abfs://ann/b"), "alice")
    with pytest.raises(UrlRefused, match="may not write"):
        allowed.of(parse_place("gs://calls/x"), "bob", write=True)
    with pytest.raises(UrlRefused):
        allowed.of(parse_place("az://ann/b"), "bob")


def test_a_store_within_another_is_its_owners_alone() -> None:
    allowed = stores(
        all={"url": "s3://calls", "write": True},
        hers={"url": "s3://calls/ann", "owners": ["alice"]},
        his={"url": "s3://calls/ann", "owners": ["bob"], "write": True},
    )
    assert allowed.of(parse_place("s3://calls/anna"), "carl", write=True).name == "all"
    assert allowed.of(parse_place("s3://calls/ann/x"), "alice").name == "hers"
    assert allowed.of(parse_place("s3://calls/ann"), "bob", write=True).name == "his"
    for owner, write in (("carl", False), ("carl", True), ("alice", True)):
        with pytest.raises(UrlRefused):
            allowed.of(parse_place("s3://calls/ann/x"), owner, write=write)
    assert [allowed.lets_read(parse_place("s3://calls/ann/x"), owner) for owner in ("alice", "carl")] == [True, False]


@pytest.mark.parametrize(
    "url", ["file://srv/x", "file:///", "file:///srv/../etc", "s3://b/../x", "https://host/x", "s3:///x", "x"]
)
def test_places_that_could_be_read_in_two_ways_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse_place(url)


def test_an_entry_of_the_operator_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UrlRefused, match="'odd'"):
        stores(odd={"url": "ftp://host"})


@pytest.mark.parametrize(
    "key", ["a\nb.wav", "../x", "in/../../x", "a//b", "a/./b", "x" * 2000, "a\x00", "\udcff.wav", "ü" * 600]
)
def test_hostile_names_are_refused(key: str) -> None:
    assert refusal_of(BucketUrl("s3", "calls", key))


@pytest.mark.parametrize("key", ["ünï cöde 😀.wav", "x" * 1000, "a b+c%20d.wav", "..a..", "-rf", "'; drop"])
def test_odd_names_are_taken(key: str) -> None:
    assert refusal_of(BucketUrl("s3", "calls", key)) is None


def test_marks_of_queries_are_names_in_a_folder_alone() -> None:
    assert refusal_of(BucketUrl("file", "", "srv/call #3?.wav")) is None
    assert refusal_of(BucketUrl("s3", "calls", "call #3?.wav"))


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for scheme, extra in (("s3", "s3"), ("gs", "gcs"), ("az", "azure")):
        with pytest.raises(UrlRefused, match=rf"world-of-asr\[{extra}\]"):
            check_package(scheme)
    check_package("file")


def test_secrets_are_not_shown() -> None:
    settings = Settings(_env_file=None, ingest_stores={"a": {"url": "s3://ann", "options": {"secret": "hush"}}})  # type: ignore[call-arg]
    assert "hush" not in repr(settings)
    assert "hush" not in repr(AllowedStores.from_settings(settings))
