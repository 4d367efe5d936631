"""When the process of a device that fails is started anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from speech.settings import Settings
from workers.device import DeviceProcess
from workers.devices import DevicePlaces, KeptDevice


@dataclass
class Child:
    """The part of a process that is asked about here."""

    failed: set[UUID] = field(default_factory=set)
    killed: list[str] = field(default_factory=list)
    alive: bool = True

    def kill(self, cause: str) -> None:
        self.killed.append(cause)


@pytest.fixture
def children() -> list[Child]:
    return [Child(), Child()]


@pytest.fixture
def places(children: list[Child]) -> DevicePlaces:
    settings = Settings(_env_file=None, worker_slots=2)  # type: ignore[call-arg]
    return DevicePlaces([KeptDevice(settings, process=cast("DeviceProcess", cast("Any", child))) for child in children])


def test_at_once_when_the_worker_begins_to_rest(places: DevicePlaces, children: list[Child]) -> None:
    run_id = uuid4()
    assert places.reserve(run_id)
    places.renew(run_id, at_once=True)
    assert [len(child.killed) for child in children] == [1, 0]


def test_else_when_the_same_run_meets_it_again_in_the_same_process(places: DevicePlaces, children: list[Child]) -> None:
    first, second = uuid4(), uuid4()
    for run_id in (first, second):
        assert places.reserve(run_id)
        places.renew(run_id, at_once=False)
    places.renew(second, at_once=False)
    assert [len(child.killed) for child in children] == [0, 1]
    places.devices[1].process = cast("DeviceProcess", cast("Any", Child()))
    places.renew(second, at_once=False)
    assert [len(child.killed) for child in children] == [0, 1]
