"""A server behind another command: what it says when it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.background import BackgroundServer, ServerFailed
from tests.cli.conftest import environment


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "serve.log"
    told = environment(WOA_DATA_DIR=str(tmp_path), WOA_API_PORT="none")
    with (
        pytest.raises(ServerFailed, match="WOA_API_PORT: Input should be a valid integer"),
        BackgroundServer(told, log, lambda _line: None) as server,
    ):
        server.wait_until_ready()


def test_an_end_in_disorder_is_said(tmp_path: Path) -> None:
    told = environment(WOA_DATA_DIR=str(tmp_path), WOA_API_PORT="none")
    with (
        pytest.raises(ServerFailed, match="ended with exit code 1"),
        BackgroundServer(told, tmp_path / "serve.log", lambda _line: None) as server,
    ):
        server.wait()


def test_the_first_error_is_the_one_that_is_told(tmp_path: Path) -> None:
    told = environment(WOA_DATA_DIR=str(tmp_path), WOA_API_PORT="none")

    def fail() -> None:
        with BackgroundServer(told, tmp_path / "serve.log", lambda _line: None) as server:
            server.wait()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()
