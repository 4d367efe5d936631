"""Blobs in a local folder: written beside, synced, renamed into place."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from speech.disks import disk_error
from speech.errors import StorageFull
from storage.blobs import COPY_BYTES, BlobEntry, BlobFolder, BlobsUnusable, Writer, missing

_UNFINISHED = ".unfinished"  # no key begins with a dot, so unfinished files are never taken for blobs
_TRIES = 100
"""How often a folder is made that others take away."""


class LocalFolder(BlobFolder):
    """A folder of the local file system; files are readable by their owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()

    def read(self, key: str) -> bytes:
        """All bytes; BlobMissing, BlobsUnusable."""
        with room_or_refusal(), self.open(key) as source:
            return source.read()

    def open(self, key: str) -> BinaryIO:
        """A seekable reader; BlobMissing."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise missing(key) from None

    @contextmanager
    def writer(self, key: str) -> Iterator[Writer]:
        """A block that writes the blob; when it raises, nothing was written."""
        with room_or_refusal(), replacing(self._path(key), self._root) as target:
            yield _Refusing(target)

    def put(self, path: Path, key: str) -> None:
        """Copy a local file in."""
        with path.open("rb") as source, self.writer(key) as target:
            while block := source.read(COPY_BYTES):
                target.write(block)

    def get(self, key: str, path: Path) -> None:
        """Copy the blob to a local file; BlobMissing."""
        with self.open(key) as source, room_or_refusal(), replacing(path, path.parent) as target:
            shutil.copyfileobj(source, target, COPY_BYTES)

    def size(self, key: str) -> int | None:
        """Bytes of the blob, None when there is none."""
        path = self._path(key)
        return path.stat().st_size if path.is_file() else None

    def delete(self, key: str) -> None:
        """Remove the blob, if it is there."""
        path = self._path(key)
        if path.is_file():
            path.unlink(missing_ok=True)
            self._drop_empty_folders(path.parent)

    def delete_folder(self, folder: str) -> int:
        """Remove all that lies under the folder; how many blobs that were."""
        path = self._path(folder)
        if not path.is_dir():
            return 0
        count = sum(1 for _ in self.entries(folder))
        shutil.rmtree(path, onerror=_unless_gone)
        self._drop_empty_folders(path.parent)
        return count

    def keys(self, folder: str) -> Iterator[str]:
        """The keys under the folder, sorted."""
        start = self._path(folder) if folder else self._root
        found = (path for path in start.rglob("*") if path.is_file() and not path.name.startswith("."))
        yield from sorted(path.relative_to(self._root).as_posix() for path in found)

    def entries(self, folder: str) -> Iterator[BlobEntry]:
        """What lies under the folder, one level's reader open at a time."""
        for found in _files(self._path(folder) if folder else self._root):
            if not found.name.startswith("."):
                with suppress(FileNotFoundError):
                    yield self._entry(found)

    def sweep(self, before: datetime) -> tuple[int, int]:
        """Remove the files that writers left which died before then."""
        count = size = 0
        for found in _files(self._root):
            if found.name.startswith(_UNFINISHED):
                with suppress(FileNotFoundError):
                    entry = self._entry(found)
                    if entry.written_at < before:
                        Path(found.path).unlink()
                        count, size = count + 1, size + entry.size
        return count, size

    def _entry(self, found: os.DirEntry[str]) -> BlobEntry:
        known = found.stat(follow_symlinks=False)
        key = Path(found.path).relative_to(self._root).as_posix()
        return BlobEntry(key, known.st_size, datetime.fromtimestamp(known.st_mtime, UTC))

    def local_path(self, key: str) -> Path | None:
        """The blob's own file."""
        path = self._path(key)
        return path if path.is_file() else None

    def check(self) -> None:
        """Whether one can write here."""
        try:
            with self.writer("check") as target:
                target.write(b"woa")
            self.delete("check")
        except OSError as error:
            raise BlobsUnusable(
                f"Blobs cannot be written to {self._root}: {error.strerror}. Check WOA_BLOB_URL."
            ) from error

    def _path(self, key: str) -> Path:
        return self._root / key

    def _drop_empty_folders(self, folder: Path) -> None:
        while folder != self._root and self._root in folder.parents:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already: either way there is nothing to tidy
                return
            folder = folder.parent


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file below the folder; folders that others take away meanwhile are passed over."""
    try:
        listing = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with listing:
        for found in listing:
            if found.is_dir(follow_symlinks=False):
                yield from _files(Path(found.path))
            elif found.is_file(follow_symlinks=False):
                yield found


class _Refusing:
    """A file that says StorageFull when there is no room."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def write(self, data: bytes, /) -> int:
        with room_or_refusal():
            return self._target.write(data)


@contextmanager
def replacing(path: Path, root: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when the block ends, its bytes and its name safe on the disk."""
    descriptor, unfinished = _unfinished(path, root)
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _unfinished(path: Path, root: Path) -> tuple[int, Path]:
    """A file beside ``path``; a folder that a deletion takes away meanwhile is made again."""
    name = path.with_name(f"{_UNFINISHED}-{secrets.token_hex(8)}")
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            _make_folders(path.parent, root)
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), name
    raise BlobsUnusable(f"The folder {path.parent} cannot be made: is its disk there? Check WOA_BLOB_URL.")


def _make_folders(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(folder.parent, root)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        # Also said of a folder that was there and is gone again: whoever wants to write in it finds that out.
        if not _folder_or_gone(error.filename):
            raise
    _sync_folder(folder.parent)


def _folder_or_gone(path: str) -> bool:
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except FileNotFoundError:
        return True


def _unless_gone(function: object, path: str, reason: tuple[type[BaseException], BaseException, object]) -> None:
    """Two may delete the same folder at once: what the other one was quicker with is no error."""
    if not isinstance(reason[1], FileNotFoundError):
        raise reason[1]


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return  # deleted again by somebody else, so its name need not be kept
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def room_or_refusal() -> Iterator[None]:
    """Around work with the local disk: StorageFull when it takes no more, BlobsUnusable when it fails."""
    try:
        yield
    except OSError as error:
        known = disk_error(error, "The disk of the blobs")
        if isinstance(known, StorageFull) or error.errno == errno.EFBIG:
            raise StorageFull(
                "The disk of the blobs is full; delete results or files, or give it more room."
            ) from error
        if known is not None:
            raise BlobsUnusable(f"{known.message} Check WOA_BLOB_URL.") from error
        raise
