"""The disposable process that decodes: an open media file in, raw mono PCM into an open spool, progress out."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterable
from io import FileIO
from typing import Any, BinaryIO

from audio.claims import claimed_duration
from audio.confine import confine, die_with_parent, say
from audio.limits import Limits
from audio.media import Sound, first_audio, opened
from audio.mono import mono_pcm
from audio.rate import SAMPLE_RATE
from speech.disks import SPOOL_DISK, disk_error
from speech.errors import InvalidAudio, SpeechError

BYTES_PER_SECOND = SAMPLE_RATE * 2
_ENOUGH = 0.9
"""A recording of which less than this share decodes is refused, rather than transcribed as if it were whole."""


def main(order: str) -> None:
    """Decode what ``order`` (JSON: files, limits) names, and say how it went on standard output."""
    asked = json.loads(order)
    limits = Limits(**asked["limits"])
    die_with_parent(limits.wall_seconds)
    source_fd, spool_fd = asked["files"]
    with FileIO(source_fd, "rb") as source, FileIO(spool_fd, "wb") as spool:
        confine(limits, writable_bytes=int((limits.max_audio_seconds + 60) * BYTES_PER_SECOND))
        answer(lambda: {"samples": decode_into(source, spool, limits, lambda seconds: say(heard=seconds))})


def answer(work: Callable[[], dict[str, Any]]) -> None:
    """Do the work and tell the parent its outcome; what is no fault of the file is left to end the process."""
    try:
        done = work()
    except SpeechError as error:
        say(refused=error.code, message=error.message)
    except MemoryError:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        say(refused=InvalidAudio.code, message=f"Decoding the file takes more memory than {limit >> 20} MiB.")
    else:
        say(done=done)


def decode_into(source: BinaryIO, spool: BinaryIO, limits: Limits, heard: Callable[[float], None]) -> int:
    """Decode ``source`` into ``spool`` window by window and return the number of samples.

    Raises:
        InvalidAudio: no audio in it, too long, or too little of what it promises can be decoded.
        StorageFull, DiskUnusable: the spool takes no more bytes.

    """
    with opened(source) as container:
        stream = first_audio(container)
        sound = Sound(container, stream)
        samples = _write(mono_pcm(sound.frames()), spool, limits.max_audio_seconds, heard)
        promised = claimed_duration(container, stream, source)
    check_whole(sound, promised)
    if not samples:
        raise InvalidAudio("The file's audio track holds no sound.")
    return samples


def _write(pieces: Iterable[bytes], spool: BinaryIO, longest: float, heard: Callable[[float], None]) -> int:
    size = 0
    for piece in pieces:
        size += len(piece)
        check_length(size, longest)
        write_all(spool, piece)
        heard(size / BYTES_PER_SECOND)
    return size // 2


def check_length(size: int, longest: float) -> None:
    """Refuse what is longer than that many seconds."""
    if size > longest * BYTES_PER_SECOND:
        raise InvalidAudio(f"The recording is longer than {longest / 3600:.3g} h, which is the limit.")


def write_all(spool: BinaryIO, piece: bytes) -> None:
    """Write the whole piece; StorageFull when it does not fit."""
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[spool.write(rest) :]
    except OSError as error:
        known = disk_error(error, SPOOL_DISK)
        if known is None:
            raise
        raise known from error


def check_whole(sound: Sound, promised: float | None) -> None:
    """Refuse a recording that is mostly missing. Gaps in the time stamps alone are no damage: recorders leave them."""
    broken = sound.broken_at is not None
    whole = promised or (sound.reached if broken else 0.0)
    kept = sound.decoded if broken else max(sound.decoded, sound.reached)
    if kept >= _ENOUGH * whole:
        return
    if sound.broken_at is not None and sound.broken_at < sound.decoded:
        raise InvalidAudio(
            f"The file is damaged from {sound.broken_at:.1f} s on: "
            f"only {sound.decoded:.1f} of its {whole:.1f} s can be decoded."
        )
    raise InvalidAudio(
        f"The file is damaged or incomplete: it breaks off at {kept:.1f} s of the {whole:.1f} s that it promises."
    )
