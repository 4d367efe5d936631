from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from weights.reach import Reachability


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def endpoint(door: socket.socket) -> str:
    return f"http://127.0.0.1:{door.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_open_door_is_reachable_and_remembered(door: socket.socket) -> None:
    reachable = Reachability(endpoint(door))
    assert reachable()
    door.close()
    assert reachable()


def test_an_answer_is_forgotten_in_time(door: socket.socket) -> None:
    reachable = Reachability(endpoint(door), remembered=0)
    assert reachable()
    door.close()
    assert not reachable()


def test_a_name_that_nobody_resolves_in_time_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hanging(*args: object) -> None:
        over.wait(60)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "create_connection", hanging)
    assert not Reachability("https://hub.example", seconds=0.05)()
    over.set()


def test_behind_a_proxy_it_is_the_proxy_that_counts(door: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", endpoint(door))
    assert Reachability("https://hub.invalid")()
    monkeypatch.setenv("https_proxy", endpoint(door).removeprefix("http://"))
    assert Reachability("https://hub.invalid")()
    monkeypatch.setenv("no_proxy", "hub.invalid")
    assert not Reachability("https://hub.invalid")()
