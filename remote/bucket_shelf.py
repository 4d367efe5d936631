"""What buckets of all kinds have in common, through fsspec; how each is listed in pages has a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, ClassVar

from remote.buckets import BucketUrl, filesystem, object_errors
from remote.shelf import Listed, Shelf
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

    def move(self, key: str, bucket: str, to: str) -> None:
        """Copy inside the store, then remove."""
        target = f"{bucket}/{to}"
        try:
            found = self.look(key)
        except UrlNotFound:
            with self._errors(to):
                if self.files.exists(target):
                    return
            raise
        with self._errors(key):
            self._copy(found, target)
            self.files.rm_file(self._path(key))

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
