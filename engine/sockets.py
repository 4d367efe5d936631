"""Where engines listen on this machine: one socket a device process, in a folder that their user alone may enter.

A process that is killed leaves its socket behind; whoever opens the next one removes those at which nobody listens.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

_LOCK = "lock"
_LOCK_SECONDS = 5.0
_NAMES = "engine-*.sock"
_BACKLOG = 16
_LONGEST_ADDRESS = 107
"""Bytes of ``sun_path`` without its end, see unix(7)."""
_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: process, user, group."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and its path."""

    path: Path
    socket: socket.socket

    @classmethod
    def open(cls, folder: Path) -> Listener:
        """Listen at a path of our own in ``folder``, which is made when it is not there.

        Raises:
            OSError: when that cannot be: the folder is somebody else's, or takes no files, or no sockets.

        """
        _claim(folder)
        # Another process that is between naming its socket and listening at it looks as if it were gone.
        with FileLock(folder / _LOCK, timeout=_LOCK_SECONDS):
            sweep(folder)
            path = folder / f"engine-{os.getpid()}-{secrets.token_hex(3)}.sock"
            return cls(path, _listening(path))

    def remove(self) -> None:
        """Listen no more."""
        self.socket.close()
        self.path.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove the sockets at which nobody listens; how many that were."""
    abandoned = [path for path in folder.glob(_NAMES) if not _answers(path)]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return len(abandoned)


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """What to bind or connect to: the path, or where that is too long for a socket's address, a shorter way to it."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def user_of(peer: socket.socket) -> int:
    """The user whose process is at the other end, as the kernel knows it (SO_PEERCRED, see unix(7))."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _process, user, _group = _CREDENTIALS.unpack(raw)
    return int(user)


def _claim(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(path) as address:
            made.bind(address)
        path.chmod(0o600)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        path.unlink(missing_ok=True)
        raise
    made.setblocking(False)
    return made


def _answers(path: Path) -> bool:
    """Whether somebody listens: only a refusal says that nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller, address_of(path) as address:
        caller.setblocking(False)
        try:
            caller.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True
