"""Settings, ports, and the sentences about them."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli.configuration import InvalidSettings, read_settings
from cli.ports import PortTaken, claim, is_free, reachable


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_API_PORT", "8123")
    assert read_settings().api_port == 8123
    assert read_settings(api_port=9).api_port == 9


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("WOA_API_PORT", "hush", "WOA_API_PORT: Input should be"), ("WOA_CORS_ORIGINS", "hush", "WOA_CORS_ORIGINS")],
)
def test_what_is_wrong_is_named_without_its_value(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=said) as caught:
        read_settings()
    assert "hush" not in caught.value.message


def test_a_taken_port_is_named_with_the_setting_that_moves_it() -> None:
    with socket.socket() as taken, ExitStack() as held:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1, where the API should listen.*WOA_API_PORT"):
            claim(held, "127.0.0.1", port, "WOA_API_PORT", "the API")
    with ExitStack() as held:
        assert claim(held, "127.0.0.1", port, "WOA_API_PORT", "the API") == port


def test_a_port_is_held_before_anybody_listens() -> None:
    with ExitStack() as first:
        port = claim(first, "127.0.0.1", 0, "WOA_API_PORT", "the API")
        with ExitStack() as second, pytest.raises(PortTaken, match="another `woa serve`"):
            claim(second, "127.0.0.1", port, "WOA_API_PORT", "the API")
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("192.0.2.7", "192.0.2.7"),
        ("speech.example", "speech.example"),
    ],
)
def test_where_a_server_is_reached(host: str, name: str) -> None:
    assert reachable(host) == name
