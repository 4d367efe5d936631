"""What every source of weights does alike: fill a folder, tell how far it is, and say why it could not.

A source raises ``SourceFailed`` when it has nothing to give now, so that the next one may be tried, and
``StorageFull`` when the disk is the reason, which no other source would mend.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speech.errors import ModelsFull, ModelUnavailable
from weights.entries import CatalogEntry

Progress = Callable[[int, int | None], None]
"""Called with the bytes done so far and the bytes in all (None: not known), from any thread, at any pace."""

_EVERY = 0.2
_LOCKED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a disk that takes no more."""


class SourceFailed(Exception):
    """This source cannot give the model now; the message says why, without a secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files came from: ``source`` is hub or wheel, ``origin`` the repository or requirements."""

    source: str
    origin: str
    revision: str | None = None


Fill = Callable[[CatalogEntry, Path, Progress], Origin]
"""Fills the folder with the files of the entry, checked, and says where they came from."""


def ignore(done: int, total: int | None) -> None:
    """A progress that nobody follows."""


def storage_full(folder: Path) -> ModelsFull:
    """The error for a disk without room."""
    return ModelsFull(f"The disk of the models folder {folder} is full: free some space or remove a model.")


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk into ``StorageFull``, one that cannot be written into ``ModelUnavailable``; the rest passes."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise storage_full(folder) from error
        if error.errno in _LOCKED:
            raise ModelUnavailable(f"The models folder {folder} cannot be written to: mend its rights.") from error
        raise


def bytes_in(folder: Path) -> int:
    """The sizes of all files below the folder; files that come and go meanwhile do no harm."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total


@contextlib.contextmanager
def watched(folder: Path, total: int | None, progress: Progress) -> Iterator[None]:
    """Report how the folder grows while the block runs; downloads of others tell no better."""
    done = threading.Event()

    def report() -> None:
        highest = 0
        while not done.wait(_EVERY):
            highest = max(highest, bytes_in(folder))
            progress(highest if total is None else min(highest, total), total)

    thread = threading.Thread(target=report, name="pull-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
