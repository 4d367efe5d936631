"""Which engine of this machine is asked."""

from __future__ import annotations

from typing import Any

from engine.doors import doors
from speech.clock import now
from storage.workers import WorkerBeat

DIGEST = f"sha256:{'ab' * 32}"
WARM = f"('faster_whisper', '{DIGEST}', 'int8')"


def _beat(host: str, *devices: dict[str, Any], **details: Any) -> WorkerBeat:
    return WorkerBeat("w", "w", host, "pool", "cpu", 4, 0, now(), {"devices": list(devices), **details})


def _device(name: str, **more: Any) -> dict[str, Any]:
    return {"socket": f"/run/{name}.sock", "alive": True, "models": [], "calls": 0, "waiting": 0, "live": 0, **more}


def _names(*beats: WorkerBeat, digest: str | None = DIGEST) -> list[str]:
    return [door.path.stem for door in doors(beats, "here", digest)]


def test_those_of_this_host_that_listen() -> None:
    here = _beat("here", _device("b"), _device("a"), _device("dead", alive=False), _device("deaf", socket=None))
    older = WorkerBeat("o", "o", "here", "pool", "cpu", 4, 0, now(), {"devices": [{"pid": 1, "alive": True}]})
    oldest = WorkerBeat("p", "p", "here", "pool", "cpu", 4, 0, now())
    assert _names(here, _beat("there", _device("far")), older, oldest) == ["a", "b"]


def test_the_one_that_has_the_model_goes_first_then_the_one_with_less_to_do() -> None:
    cold = _device("cold")
    warm = _device("warm", models=["('other', 'x', 'int8')", WARM], calls=1, waiting=3)
    idle = _device("idle", models=[WARM], live=1)
    first = doors([_beat("here", cold, warm), _beat("here", idle)], "here", DIGEST)
    assert [(door.path.stem, door.warm, door.load) for door in first] == [
        ("idle", True, 1),
        ("warm", True, 4),
        ("cold", False, 0),
    ]
    assert _names(_beat("here", warm, cold), digest=None) == ["cold", "warm"]
