"""Which prefixes and folders ingestion may use, by the operator's leave, and with whose credentials.

Credentials are the operator's, in the settings alone: a source names a place, and the place finds its store.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote.buckets import BUCKETS, BucketUrl, matches, parse_bucket, without_package
from remote.shelf import Shelf
from speech.errors import UrlRefused
from speech.settings import Settings

FILE = "file"
TAGGABLE = frozenset({"s3", "az"})
"""Schemes of stores whose objects have tags."""
LONGEST_KEY = 1024
"""Bytes of a key: the most that any of the stores takes."""
_ALIASES = {"abfs": "az", "abfss": "az", "gcs": "gs", "s3a": "s3"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AMBIGUOUS = re.compile(r"[\\?#]")


@dataclass(frozen=True, slots=True)
class AllowedStore:
    """A prefix of a bucket, or a folder, with the options of its file system."""

    name: str
    prefix: BucketUrl
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    write: bool = False
    owners: frozenset[str] = frozenset()
    nested: tuple[BucketUrl, ...] = ()
    """Prefixes of other stores that lie within this one: what lies there is theirs."""

    def allows(self, owner_id: str) -> bool:
        """Whether this owner may use it."""
        return not self.owners or owner_id in self.owners


@dataclass(frozen=True, slots=True)
class AllowedStores:
    """All of them."""

    stores: tuple[AllowedStore, ...]

    @classmethod
    def from_settings(cls, settings: Settings) -> AllowedStores:
        """Those that the settings name; UrlRefused says which entry cannot be read."""
        prefixes = {name: _prefix(name, given.url) for name, given in settings.ingest_stores.items()}
        return cls(
            tuple(
                AllowedStore(
                    name,
                    prefixes[name],
                    given.options,
                    given.write,
                    frozenset(given.owners),
                    tuple(one for one in prefixes.values() if one != prefixes[name] and matches(one, prefixes[name])),
                )
                for name, given in settings.ingest_stores.items()
            )
        )

    def of(self, place: BucketUrl, owner_id: str, *, write: bool = False) -> AllowedStore:
        """The store that a place lies in, by its longest prefix: one within another is its owners' alone.

        Raises:
            UrlRefused: when the operator has allowed none to this owner, or no writing.

        """
        store = self._nearest(place, owner_id)
        if store is None:
            raise UrlRefused(
                f"This server ingests nothing from {shown_place(place)}: "
                "its operator has not allowed it (ingest_stores)."
            )
        if write and not store.write:
            raise UrlRefused(
                f"This server may not write to {shown_place(place)}: its operator has not allowed it "
                f"(write in ingest_stores, {store.name})."
            )
        return store

    def lets_read(self, place: BucketUrl, owner_id: str) -> bool:
        """Whether the owner may know what lies there."""
        return self._nearest(place, owner_id) is not None

    def _nearest(self, place: BucketUrl, owner_id: str) -> AllowedStore | None:
        """Of the stores with the longest prefix, the one that the owner may use."""
        around = [store for store in self.stores if matches(place, store.prefix)]
        longest = max((len(store.prefix.key) for store in around), default=0)
        nearest = [store for store in around if len(store.prefix.key) == longest]
        return next((store for store in nearest if store.allows(owner_id)), None)


def parse_place(url: str) -> BucketUrl:
    """Take ``s3://bucket/prefix`` or ``file:///folder`` apart; UrlRefused when it could be read in two ways."""
    scheme, separator, rest = url.partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme != FILE:
        return parse_bucket(f"{scheme}{separator}{rest}")
    if not rest.startswith("/"):
        raise UrlRefused("A folder is named in full: file:///srv/recordings.")
    place = BucketUrl(FILE, "", rest.strip("/"))
    refusal = refusal_of(place)
    if not place.key or refusal is not None:
        raise UrlRefused(refusal or "The root of this machine is no source.")
    return place


def open_shelf(store: AllowedStore, place: BucketUrl) -> Shelf:
    """The shelf of a place's bucket; UrlRefused says which package is missing."""
    if place.scheme == FILE:
        from remote.folder_shelf import FolderShelf

        return FolderShelf(store.prefix.key, [nested.key for nested in store.nested])
    if place.scheme == "s3":
        from remote.s3_shelf import S3Shelf

        return S3Shelf(place.bucket, dict(store.options))
    if place.scheme == "gs":
        from remote.gcs_shelf import GcsShelf

        return GcsShelf(place.bucket, dict(store.options))
    from remote.azure_shelf import AzureShelf

    return AzureShelf(place.bucket, dict(store.options))


def check_package(scheme: str) -> None:
    """UrlRefused with how to mend it, when what reads the scheme is not installed; nothing is imported."""
    if scheme in BUCKETS and importlib.util.find_spec(BUCKETS[scheme]) is None:
        raise UrlRefused(without_package(scheme))


def refusal_of(place: BucketUrl) -> str | None:
    """Why an object of that name is not taken, None when it is: nothing in a name may be read in two ways."""
    key = place.key
    try:
        long = len(key.encode("utf-8")) > LONGEST_KEY
    except UnicodeEncodeError:
        return "The object's name is no text in UTF-8."
    if long:
        return f"The object's name is longer than {LONGEST_KEY} bytes."
    if _CONTROL.search(key) or (place.scheme != FILE and _AMBIGUOUS.search(key)):
        return "The object's name holds characters that are not accepted here (control characters, \\, ? or #)."
    if any(part in {"", ".", ".."} for part in key.split("/")):
        return "The object's name climbs out of its folder, or holds empty parts."
    return None


def url_of(scheme: str, bucket: str, key: str) -> str:
    """The literal URL of an object: nothing in it is escaped."""
    return f"{scheme}://{bucket}/{key}"


def place_of(url: str) -> BucketUrl:
    """The place that ``url_of`` named; no names are refused."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return BucketUrl(scheme, bucket, key)


def shown_place(place: BucketUrl) -> str:
    """The place for a sentence, shortened."""
    return url_of(place.scheme, place.bucket, place.key)[:200]


def _prefix(name: str, url: str) -> BucketUrl:
    try:
        return parse_place(url.rstrip("/"))
    except UrlRefused as error:
        raise UrlRefused(f"ingest_stores: the URL of '{name}' cannot be used. {error.message}") from error
