"""Which engine of this machine a live server asks: told from the workers' signs of life."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.workers import WorkerBeat


@dataclass(frozen=True, slots=True)
class EngineDoor:
    """A device process that listens. ``warm`` when it has the model in memory; ``load`` counts the calls and requests
    that it has under way."""

    path: Path
    warm: bool
    load: int


def doors(beats: Iterable[WorkerBeat], host: str, digest: str | None = None) -> tuple[EngineDoor, ...]:
    """The engines of ``host`` (as `socket.gethostname` names it), the best one first.

    An engine that has the model with that ``digest`` (`WeightStore.digest`) in memory goes before all that have not,
    then one with less to do. A beat is seconds old: whoever finds an engine lost or busy asks the next one.
    """
    found = [_door(device, digest) for beat in beats if beat.host == host for device in _listening(beat)]
    return tuple(sorted(found, key=lambda door: (not door.warm, door.load, door.path)))


def _listening(beat: WorkerBeat) -> Iterator[dict[str, Any]]:
    """The devices of a worker at which somebody listens; workers of older versions say nothing of it."""
    return (device for device in beat.details.get("devices", ()) if device.get("alive") and device.get("socket"))


def _door(device: dict[str, Any], digest: str | None) -> EngineDoor:
    warm = digest is not None and any(digest in model for model in device.get("models", ()))
    load = sum(int(device.get(name, 0)) for name in ("calls", "waiting", "live"))
    return EngineDoor(Path(device["socket"]), warm, load)
