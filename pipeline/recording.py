"""One recording being worked at: its bytes on a local disk, and its samples, each fetched at most once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from audio.decode import decode
from audio.limits import Limits
from audio.spool import Spool
from pipeline.observer import Observer
from pipeline.runtime import Runtime
from speech.errors import InvalidAudio
from speech.jobs import Stage, StoredFile
from storage.blobs import Blobs


@dataclass
class Recording:
    """A file with its identity, and lazily its samples: a step that finds its outcome kept decodes nothing."""

    owner_id: str
    file_id: str | None
    filename: str
    sha256: str
    folder: Path
    limits: Limits
    bring: Callable[[Path], Path]
    """Puts the bytes below the given folder, or says where they lie already."""
    _spool: Spool | None = field(default=None, repr=False)
    _decoding: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Steps beside one another want the samples at once: they are decoded once."""

    def spool(self, observer: Observer) -> Spool:
        """The decoded samples; decodes at the first call.

        Raises:
            InvalidAudio: when the bytes cannot be decoded within the limits.

        """
        with self._decoding:
            if self._spool is None:
                self._spool = decode(
                    self.bring(self.folder),
                    self.folder / "samples.pcm",
                    self.limits,
                    heard=lambda seconds: observer.progress(Stage.PREPARING, 0.0),
                    cancelled=observer.cancelled,
                )
            return self._spool


@contextmanager
def stored_recording(runtime: Runtime, file: StoredFile) -> Iterator[Recording]:
    """A file of the blob store, with a working folder that goes when the block ends."""
    if file.blob_key is None or file.sha256 is None:
        raise InvalidAudio("The recording was deleted before it could be transcribed.")
    with runtime.spools.work() as folder:
        yield Recording(
            owner_id=file.owner_id,
            file_id=file.file_id,
            filename=file.filename,
            sha256=file.sha256,
            folder=folder,
            limits=Limits.for_decoding(runtime.settings),
            bring=_bring_from(runtime.store.blobs, file.blob_key),
        )


def _bring_from(blobs: Blobs, key: str) -> Callable[[Path], Path]:
    def bring(folder: Path) -> Path:
        local = blobs.local_path(key)
        if local is None:
            local = folder / "source"
            blobs.get(key, local)
        return local

    return bring
