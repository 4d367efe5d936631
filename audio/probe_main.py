"""The disposable process that looks at a file's head: it proves that sound comes out, and says what it is."""

from __future__ import annotations

import json
from io import FileIO
from typing import Any, BinaryIO

from audio.claims import probable_duration
from audio.confine import confine, die_with_parent
from audio.decode_main import answer
from audio.limits import Limits
from audio.media import Sound, first_audio, opened
from speech.errors import InvalidAudio

_PROOF_SECONDS = 0.1


def main(order: str) -> None:
    """Probe what ``order`` (JSON: files, limits) names, and say how it went on standard output."""
    asked = json.loads(order)
    limits = Limits(**asked["limits"])
    die_with_parent(limits.wall_seconds)
    (source_fd,) = asked["files"]
    with FileIO(source_fd, "rb") as source:
        confine(limits, writable_bytes=0)
        answer(lambda: probe_into(source))


def probe_into(source: BinaryIO) -> dict[str, Any]:
    """The fields of a Probe; InvalidAudio when no sound comes out."""
    with opened(source) as container:
        stream = first_audio(container)
        sound = Sound(container, stream)
        heard = next((frame for frame in sound.frames() if sound.decoded >= _PROOF_SECONDS), None)
        if heard is None and not sound.decoded:
            raise InvalidAudio("The file's audio track holds no sound that can be decoded.")
        return {
            "duration": probable_duration(container, stream, source),
            "sample_rate": stream.codec_context.sample_rate,
            "channels": stream.codec_context.layout.nb_channels,
            "codec": stream.codec_context.name,
            "container": container.format.name,
        }
