"""The folder of decoded audio in work: one sub-folder a process, locked while that process lives.

Spools are large and worth nothing after a crash. Whoever starts removes the folders whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from speech.disks import SPOOL_DISK, disk_error
from speech.errors import DiskUnusable

_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class SpoolFolder:
    """This process's own folder; ``release`` removes it with all that lies in it."""

    path: Path
    _lock: int

    @classmethod
    def claim(cls, parent: Path) -> SpoolFolder:
        """Make a folder for this process below ``parent``, and remove those of processes that are gone."""
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A sweeper that meets the new folder before its lock is held would remove it: the parent's lock parts them.
        with _locked(parent / _LOCK):
            _sweep(parent)
            path = Path(tempfile.mkdtemp(prefix="process-", dir=parent))
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return cls(path, lock)

    @staticmethod
    def sweep(parent: Path) -> int:
        """Remove the folders of processes that are gone; how many that were."""
        if not parent.is_dir():
            return 0
        with _locked(parent / _LOCK):
            return _sweep(parent)

    @contextmanager
    def work(self) -> Iterator[Path]:
        """A fresh folder for one file, removed at the end however it ends.

        Raises:
            StorageFull, DiskUnusable: when there can be none.

        """
        path = self._fresh()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _fresh(self) -> Path:
        try:
            return Path(tempfile.mkdtemp(prefix="file-", dir=self.path))
        except OSError as error:
            # Whatever keeps it from that, it is no file's fault.
            known = disk_error(error, SPOOL_DISK) or DiskUnusable(f"{SPOOL_DISK} takes no folder ({error.strerror}).")
            raise known from error

    def release(self) -> None:
        """Remove the folder; the process does no more work."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> int:
    abandoned = [folder for folder in parent.glob("process-*") if _abandoned(folder / _LOCK)]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return len(abandoned)


def _abandoned(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
