"""What one look at a file, or one decoding of it, may consume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the child processes import this file and must start quickly
    from speech.settings import Settings

_DECODING_SPEED = 10
"""Seconds of audio that every supported format decodes in a second of processor time, on slow machines too."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one disposable process; beyond any of them the file is refused.

    ``wall_seconds`` on the clock, ``cpu_seconds`` of processor time, ``memory_bytes`` of address space,
    ``max_audio_seconds`` of decoded audio.
    """

    wall_seconds: float
    memory_bytes: int
    cpu_seconds: float
    max_audio_seconds: float

    @classmethod
    def for_decoding(cls, settings: Settings) -> Limits:
        """The operator's limits for decoding a whole file."""
        return cls(
            wall_seconds=settings.decode_timeout,
            memory_bytes=settings.decode_memory_bytes,
            cpu_seconds=min(settings.decode_timeout, 60 + settings.max_audio_seconds / _DECODING_SPEED),
            max_audio_seconds=settings.max_audio_seconds,
        )

    @classmethod
    def for_probing(cls, settings: Settings) -> Limits:
        """The operator's limits for a look at a file's head."""
        return cls(
            wall_seconds=settings.probe_timeout,
            memory_bytes=settings.decode_memory_bytes,
            cpu_seconds=settings.probe_timeout,
            max_audio_seconds=settings.max_audio_seconds,
        )
