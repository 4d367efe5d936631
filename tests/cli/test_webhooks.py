"""`woa webhooks secret`: made, replaced, listed, revoked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from storage.webhook_secrets import PREFIX


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WOA_DATA_DIR", str(tmp_path / "data"))


def _invoke(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["webhooks", "secret", *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_a_secret_is_printed_once_and_replaced() -> None:
    assert "no secrets" in _invoke("list").stderr
    first = _invoke("create").stdout.strip()
    assert first.startswith(PREFIX)
    second = json.loads(_invoke("rotate", "--json").stdout)
    assert second["secret"] not in (first, "")
    old, new = json.loads(_invoke("list", "--json").stdout)
    assert (old["retires_at"] is not None, new["id"], new["retires_at"]) == (True, second["id"], None)
    assert "revoked" in _invoke("revoke", old["id"]).stderr
    assert first not in _invoke("list").stdout
    assert json.loads(_invoke("list", "--json").stdout)[0]["revoked_at"] is not None
