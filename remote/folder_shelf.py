"""Folders of this machine: links are followed only to where the operator allows, and only plain files are read."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from remote.shelf import PAGE, Listed, Shelf, beside, want_version
from remote.sink import FULL
from speech.errors import DownloadFailed, StorageFull, UrlNotFound, UrlRefused

_PART = ".woa-"
"""What names of half-written files begin with: no listing shows them."""
_REST_SECONDS = 30.0
"""A file that was written to in the last seconds may be half of a recording."""
_FINAL = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS, errno.EINVAL})
"""What a disk will say the next time too."""


class FolderShelf(Shelf):
    """What lies below one allowed folder; ``root`` without its leading slash, as keys are.

    No link leads to one of the ``others``, folders below it that belong to another store.
    """

    def __init__(self, root: str, others: Sequence[str] = ()) -> None:
        self._root = Path(f"/{root}").resolve()
        self._others = {Path(f"/{other}").resolve() for other in others} - {self._root}

    def pages(self, folder: str, size: int = PAGE) -> Iterator[list[Listed]]:
        """Page by page, folder by folder; links to folders are not followed, since they may lead in circles."""
        page: list[Listed] = []
        self.unreadable = 0
        with _disk_errors():
            base = self._inside(folder)
            for path in self._files_below(base):
                # Named by the folder that was asked for, whatever links lead there.
                found = self._listed(path, f"{folder}{path.path[len(str(base)) :]}")
                if found is not None:
                    page.append(found)
                if len(page) >= size:
                    yield page
                    page = []
        if page:
            yield page

    def look(self, key: str) -> Listed:
        """The file as it is now; UrlNotFound."""
        with _disk_errors():
            return _described(key, self._inside(key).stat())

    @contextmanager
    def reading(self, key: str) -> Iterator[IO[bytes]]:
        """The file's bytes."""
        with _disk_errors():
            # The path has no links left; should its last part have become one since, it is not followed.
            number = os.open(self._inside(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise UrlRefused("What lies there is no plain file.")
            yield file

    def write(self, key: str, content: bytes) -> None:
        """Write beside it, then rename."""
        with _disk_errors():
            target = self._target(key)
            part = target.with_name(f"{_PART}{uuid.uuid4().hex}")
            try:
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    def move(self, key: str, bucket: str, to: str, version: str) -> None:
        """Rename, or copy, look once more and remove where the target lies on another disk."""
        with _disk_errors():
            target, second = self._target(to), self._target(beside(to, version))
            try:
                source = self._inside(key)
            except UrlNotFound:
                if target.exists() or second.exists():
                    return
                raise
            if os.path.lexists(target) and _described(to, target.lstat()).version != version:
                target = second
            given = Path(f"/{key}")
            want_version(_described(key, source.stat()), version)
            if source.stat().st_dev == target.parent.stat().st_dev and not given.is_symlink():
                given.replace(target)
            else:
                _carry(source, target)
                want_version(_described(key, source.stat()), version)
                given.unlink()

    def _listed(self, path: os.DirEntry[str], key: str) -> Listed | None:
        """A file as it is shown; None for what is no plain file, leads outside, or vanished in this moment."""
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode) or (path.is_symlink() and not self._allows(Path(path.path).resolve())):
                return None
        except PermissionError:
            self.unreadable += 1
            return None
        except OSError:
            return None
        return _described(key, found)

    def _files_below(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """Every file, one at a time: of a folder nothing is kept but the names of those below it."""
        with os.scandir(folder) as scanning:  # one that cannot be read is not an empty one
            waiting = yield from _files_of(scanning)
        while waiting:
            try:
                scanning = os.scandir(waiting.pop())
            except FileNotFoundError:
                continue  # removed meanwhile
            except PermissionError:
                self.unreadable += 1
                continue
            with scanning:
                waiting += yield from _files_of(scanning)

    def _inside(self, key: str) -> Path:
        """The path with every link resolved; UrlRefused when it leads outside of what is allowed."""
        try:
            path = Path(f"/{key}").resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UrlNotFound(f"There is nothing at {_short(key)}.") from error
        except (OSError, RuntimeError, ValueError) as error:
            raise UrlRefused(f"{_short(key)} cannot be opened ({type(error).__name__}).") from error
        if not self._allows(path):
            raise UrlRefused(f"{_short(key)} leads out of the folder that the operator allows.")
        return path

    def _target(self, key: str) -> Path:
        """Where to write, its folder made; a folder that leads outside is refused before anything is made there."""
        path = Path(f"/{key}")
        folder = path.parent.resolve()
        if not self._allows(folder):
            raise UrlRefused(f"{_short(key)} leads out of the folder that the operator allows.")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / path.name

    def _allows(self, path: Path) -> bool:
        around = {path, *path.parents}
        return self._root in around and self._others.isdisjoint(around)


def _files_of(scanning: Iterator[os.DirEntry[str]]) -> Generator[os.DirEntry[str], None, list[str]]:
    """The files of one folder; what it returns are the folders in it."""
    folders = []
    for entry in scanning:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
        elif not entry.name.startswith(_PART):
            yield entry
    return folders


def _described(key: str, found: os.stat_result) -> Listed:
    # A file that was moved in keeps its old time of change, and anybody may set that to any moment; when it came is
    # the change of its entry, by the clock of the machine.
    version = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    at_rest = abs(time.time() - found.st_mtime) > _REST_SECONDS
    return Listed(key, version, found.st_size, datetime.fromtimestamp(found.st_ctime, UTC), at_rest)


def _carry(source: Path, target: Path) -> None:
    part = target.with_name(f"{_PART}{uuid.uuid4().hex}")
    try:
        shutil.copy2(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _short(key: str) -> str:
    name = f"/{key}".encode("utf-8", "replace").decode()
    return name if len(name) <= 200 else f"…{name[-199:]}"


@contextmanager
def _disk_errors() -> Iterator[None]:
    """The one place where the errors of a disk become ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise UrlNotFound("The file or folder is not there.") from error
    except PermissionError as error:
        raise UrlRefused("This server's user may not do that with the file or folder.") from error
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("The disk takes no more bytes.") from error
        if error.errno is not None and error.errno in _FINAL:
            raise UrlRefused(f"The disk refuses ({os.strerror(error.errno)}).") from error
        raise DownloadFailed(f"The disk failed ({type(error).__name__}); it may work later.") from error
