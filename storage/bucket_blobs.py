"""Blobs in an S3 bucket, or in anything that speaks S3.

An object appears when its upload is complete, so writes are atomic by themselves; an upload that fails is aborted.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from speech.errors import StorageFull
from storage.blobs import COPY_BYTES, BlobFolder, BlobsUnusable, Writer, missing
from storage.local_blobs import replacing

_PART_BYTES = 16 * 1024 * 1024  # S3 takes 10,000 parts: this is good for 160 GB
_FULL = ("QuotaExceeded", "EntityTooLarge", "InsufficientStorage", "XMinioStorageFull")


class BucketFolder(BlobFolder):
    """A prefix of a bucket; ``options`` are s3fs's (key, secret, endpoint_url, client_kwargs ...)."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        import fsspec

        self._root = url.removeprefix("s3://").strip("/")
        try:
            # Listings are not cached: other processes write here too.
            self._files = fsspec.filesystem("s3", **({"use_listings_cache": False} | options))
        except ImportError as error:
            raise BlobsUnusable("Blobs in S3 need the extra: pip install 'world-of-asr[s3]'.") from error

    def read(self, key: str) -> bytes:
        """All bytes; BlobMissing."""
        with self.open(key) as source:
            return source.read()

    def open(self, key: str) -> BinaryIO:
        """A seekable reader; BlobMissing."""
        if self.size(key) is None:  # s3fs would open a folder as well
            raise missing(key)
        try:
            return cast(BinaryIO, self._files.open(self._path(key), "rb", block_size=_PART_BYTES))
        except FileNotFoundError:
            raise missing(key) from None

    @contextmanager
    def writer(self, key: str) -> Iterator[Writer]:
        """A block that writes the blob; when it raises, nothing was written."""
        with _room_or_refusal():
            target = self._files.open(self._path(key), "wb", block_size=_PART_BYTES, autocommit=False)
            try:
                yield target
                # What is left is sent as the last part; only commit makes the object appear.
                target.close()
                target.commit()
            except BaseException:
                target.discard()
                target.closed = True
                raise

    def put(self, path: Path, key: str) -> None:
        """Copy a local file in."""
        with path.open("rb") as source, self.writer(key) as target:
            while block := source.read(COPY_BYTES):
                target.write(block)

    def get(self, key: str, path: Path) -> None:
        """Copy the blob to a local file; BlobMissing."""
        with self.open(key) as source, _room_or_refusal(), replacing(path, path.parent) as target:
            shutil.copyfileobj(source, target, COPY_BYTES)

    def size(self, key: str) -> int | None:
        """Bytes of the blob, None when there is none."""
        try:
            found = self._files.info(self._path(key))
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    def delete(self, key: str) -> None:
        """Remove the blob, if it is there."""
        if self.size(key) is not None:
            self._files.rm_file(self._path(key))

    def delete_folder(self, folder: str) -> int:
        """Remove all that lies under the folder; how many blobs that were."""
        found = [self._path(key) for key in self.keys(folder)]
        if found:
            self._files.rm(found)
        return len(found)

    def keys(self, folder: str) -> Iterator[str]:
        """The keys under the folder, sorted."""
        start = f"{self._root}/{folder}" if folder else self._root
        for path in sorted(self._files.find(start)):
            yield path.removeprefix(f"{self._root}/")

    def local_path(self, key: str) -> Path | None:
        """A bucket has no local files."""
        return None

    def check(self) -> None:
        """Whether one can write here."""
        try:
            with self.writer("check") as target:
                target.write(b"woa")
            self.delete("check")
        except OSError as error:
            raise BlobsUnusable(
                f"Blobs cannot be written to s3://{self._root}: {error}. Check WOA_BLOB_URL."
            ) from error

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


@contextmanager
def _room_or_refusal() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or any(word in str(error) for word in _FULL):
            raise StorageFull("The bucket takes no more bytes; delete results or files, or raise its quota.") from error
        raise
