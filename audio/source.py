"""The file that somebody wants heard, opened so that it cannot make us wait."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech.errors import InvalidAudio


@contextmanager
def opened_source(path: Path) -> Iterator[int]:
    """A descriptor of a regular, non-empty file.

    Raises:
        InvalidAudio: it is empty, or something else than a file (a folder, a pipe, a device).
        OSError: it is absent, or may not be read.

    """
    # Without O_NONBLOCK opening a named pipe waits for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidAudio("This is no file but a folder, pipe or device: audio is read from files only.")
        if status.st_size == 0:
            raise InvalidAudio("The file is empty.")
        yield descriptor
    finally:
        os.close(descriptor)
