"""What the operating system says of a sick disk, as errors of ours."""

from __future__ import annotations

import errno
import os

from speech.errors import DiskUnusable, SpeechError, StorageFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
SPOOL_DISK = "The disk for decoded audio (WOA_SPOOL_DIR)"
_SICK = frozenset(
    {errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EREMOTEIO, errno.EUCLEAN}
    | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""Of disks that fail, file systems that went away or are damaged, and a machine that has no more files or memory."""


def disk_error(error: OSError, disk: str) -> SpeechError | None:
    """The error of a ``disk`` that is full or sick, such as ``The disk of the spool``; None when it is another's."""
    if error.errno in NO_ROOM:
        return StorageFull(f"{disk} is full: free some space, or give it more room.")
    if error.errno in _SICK:
        return DiskUnusable(f"{disk} does not work ({os.strerror(error.errno or 0)}).")
    return None
