"""One recording being worked at: its bytes on a local disk, and its samples, each fetched at most once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from audio.decode import decode
from audio.limits import Limits
from audio.split import split
from audio.spool import Spool
from pipeline.observer import Observer
from pipeline.runtime import Runtime
from speech.errors import InvalidAudio
from speech.jobs import Stage, StoredFile
from storage.blobs import Blobs

MIX, SPLIT = "mix", "split"


@dataclass
class Recording:
    """A file with its identity, and lazily its samples: a step that finds its outcome kept decodes nothing.

    ``channels`` says what of it is worked at, as a request does: all channels mixed (``mix``), each by itself
    (``split``), or one, by its number from 0.
    """

    owner_id: str
    file_id: str | None
    filename: str
    sha256: str
    folder: Path
    limits: Limits
    bring: Callable[[Path], Path]
    """Puts the bytes below the given folder, or says where they lie already."""
    channels: str = MIX
    _source: Path | None = field(default=None, repr=False)
    _mixed: Spool | None = field(default=None, repr=False)
    _apart: Mapping[int, Spool] | None = field(default=None, repr=False)
    _decoding: threading.RLock = field(default_factory=threading.RLock, repr=False)
    """Steps beside one another want the samples at once: they are decoded once."""

    @property
    def identity(self) -> str:
        """What the samples of `spool` are, for the keys of steps: the digest of the bytes, and the one channel when
        only that is worked at."""
        return self.sha256 if self.only is None else f"{self.sha256}/channel-{self.only}"

    @property
    def only(self) -> int | None:
        """The one channel that is worked at, if it is one."""
        return None if self.channels in (MIX, SPLIT) else int(self.channels)

    def spool(self, observer: Observer, channel: int | None = None) -> Spool:
        """The decoded samples of that channel, or of the recording as a whole: the mix of all channels, or the one
        that is worked at. Decodes at the first call.

        Raises:
            InvalidAudio: when the bytes cannot be decoded within the limits, or there is no such channel.

        """
        one = self.only if channel is None else channel
        if one is not None:
            return self._channels(observer)[one]
        with self._decoding:
            if self._mixed is None:
                self._mixed = decode(
                    self._bytes(),
                    self.folder / "samples.pcm",
                    self.limits,
                    heard=lambda seconds: observer.progress(Stage.PREPARING, 0.0),
                    cancelled=observer.cancelled,
                )
            return self._mixed

    def spools(self, observer: Observer) -> Mapping[int | None, Spool]:
        """What is recognised: each channel by its number, or the mix by None. Decodes at the first call, and once.

        Raises:
            InvalidAudio: as `spool`, and when there are more channels than can be recognised each by itself.

        """
        if self.channels == MIX:
            return {None: self.spool(observer)}
        apart = self._channels(observer)
        return {channel: apart[channel] for channel in apart}

    def _channels(self, observer: Observer) -> Mapping[int, Spool]:
        with self._decoding:
            if self._apart is None:
                self._apart = split(
                    self._bytes(),
                    self.folder,
                    self.limits,
                    only=self.only,
                    heard=lambda seconds: observer.progress(Stage.PREPARING, 0.0),
                    cancelled=observer.cancelled,
                )
            return self._apart

    def _bytes(self) -> Path:
        if self._source is None:
            self._source = self.bring(self.folder)
        return self._source


@contextmanager
def stored_recording(runtime: Runtime, file: StoredFile, channels: str = MIX) -> Iterator[Recording]:
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
            channels=channels,
        )


def _bring_from(blobs: Blobs, key: str) -> Callable[[Path], Path]:
    def bring(folder: Path) -> Path:
        local = blobs.local_path(key)
        if local is None:
            local = folder / "source"
            blobs.get(key, local)
        return local

    return bring
