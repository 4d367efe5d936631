"""What buckets of all kinds have in common, through fsspec; how each is listed in pages has a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import IO, Any, ClassVar

from remote.buckets import BucketUrl, filesystem, object_errors
from remote.shelf import Listed, Shelf, beside, want_version
from speech.errors import UrlNotFound

_BLOCK = 4 << 20


class BucketShelf(Shelf):
    """One bucket; ``options`` are those of its fsspec file system."""

    scheme: ClassVar[str]

    def __init__(self, bucket: str, options: dict[str, Any]) -> None:
        self.bucket = bucket
        # Other processes write here too, so no listing is kept.
        self.files = filesystem(self.scheme, {"use_listings_cache": False} | options)

    def reading(self, key: str) -> Any:
        """The object's bytes."""
        return self._reading(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[IO[bytes]]:
        with (
            self._errors(key),
            self.files.open(self._path(key), "rb", block_size=_BLOCK, cache_type="readahead") as file,
        ):
            yield file

    def write(self, key: str, content: bytes) -> None:
        """One request or one multi-part upload: the object appears when it is complete."""
        with self._errors(key):
            self.files.pipe_file(self._path(key), content)

    def move(self, key: str, bucket: str, to: str, version: str) -> None:
        """Copy inside the store, look once more, then remove."""
        names = (to, beside(to, version))
        try:
            found = self.look(key)
        except UrlNotFound:
            if any(self._there(bucket, name) for name in names):
                return
            raise
        want_version(found, version)
        # Of the second name is no other version than this one, should it be there.
        target = names[0] if self._version_at(bucket, names[0]) in (None, version) else names[1]
        with self._errors(key):
            self._copy(found, f"{bucket}/{target}")
            want_version(self.look(key), version)
            self.files.rm_file(self._path(key))

    def _version_at(self, bucket: str, key: str) -> str | None:
        """The version that lies at a place of this store, None when nothing does."""
        shelf = copy(self)
        shelf.bucket = bucket
        try:
            return shelf.look(key).version
        except UrlNotFound:
            return None

    def _there(self, bucket: str, key: str) -> bool:
        return self._version_at(bucket, key) is not None

    def _copy(self, found: Listed, target: str) -> None:
        self.files.cp_file(self._path(found.key), target)

    def _path(self, key: str) -> str:
        return f"{self.bucket}/{key}"

    def _errors(self, key: str) -> Any:
        return object_errors(BucketUrl(self.scheme, self.bucket, key))


def below(folder: str) -> str:
    """The prefix of what lies in a folder: ``in`` must not mean ``inbox/``."""
    return f"{folder.rstrip('/')}/" if folder else ""


def is_folder(key: str) -> bool:
    """Whether the object only marks a folder, as consoles make them."""
    return key.endswith("/")
