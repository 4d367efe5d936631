"""Keys, models, doctor, and errors as people meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import checks as module
from cli.checks import Check, State, examine
from cli.main import app, main
from speech.errors import SpeechError
from speech.settings import Settings
from tests.cli.conftest import Woa


@pytest.fixture
def here(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process have settings of this test's own."""
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        if name.startswith("WOA_"):
            monkeypatch.setenv(name, value)


def _invoke(*arguments: str) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.usefixtures("here")
def test_a_key_is_created_listed_and_revoked() -> None:
    created = json.loads(_invoke("keys", "create", "web", "--json").stdout)
    assert created["secret"].startswith("woa_")
    listed = _invoke("keys", "list").stdout
    assert "web" in listed
    assert created["secret"] not in listed
    assert "revoked" in _invoke("keys", "revoke", created["id"]).stderr
    (row,) = json.loads(_invoke("keys", "list", "--json").stdout)
    assert row["revoked_at"] is not None
    assert "secret" not in row
    again = json.loads(_invoke("keys", "revoke", created["id"], "--json").stdout)
    assert again == {"id": created["id"], "revoked": True}


@pytest.mark.usefixtures("here")
def test_a_key_alone_goes_to_standard_output() -> None:
    assert "no keys" in _invoke("keys", "list").stderr
    created = _invoke("keys", "create", "script")
    assert len(created.stdout.split()) == 1
    assert "cannot be shown again" in created.stderr
    assert "script" in _invoke("keys", "list").stdout


@pytest.mark.usefixtures("here")
def test_an_unknown_key_is_no_traceback(woa: Woa) -> None:
    done = woa("keys", "revoke", "nix")
    assert done.returncode == 1
    assert done.stderr == "Error: There is no API key nix.\n"
    assert "Traceback" in woa("keys", "revoke", "nix", "--debug").stderr


@pytest.mark.models
@pytest.mark.usefixtures("here")
def test_models_are_listed_with_source_and_digest() -> None:
    assert _invoke("models", "pull", "tiny.en").exit_code == 0
    rows = {row["name"]: row for row in json.loads(_invoke("models", "list", "--json").stdout)}
    assert rows["tiny.en"]["installed"]
    assert rows["tiny.en"]["digest"].startswith("sha256:")
    assert rows["tiny.en"]["source"] in ("hub", "wheel", "folder")
    assert not rows["large-v3"]["installed"]
    assert rows["large-v3"]["revision"]
    shown = _invoke("models", "list").stdout
    assert rows["tiny.en"]["digest"] in shown
    (pulled,) = json.loads(_invoke("models", "pull", "tiny.en", "--json").stdout)
    assert pulled["digest"] == rows["tiny.en"]["digest"]
    assert "installed already" in _invoke("models", "pull", "tiny.en").stderr


@pytest.mark.usefixtures("here")
def test_models_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOA_MODELS_DIR", str(tmp_path / "models"))
    own = tmp_path / "models" / "own"
    own.mkdir(parents=True)
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (own / name).write_text("{}")
    assert "own" in _invoke("models", "list").stdout
    assert "own is removed." in _invoke("models", "rm", "own").stderr
    assert not own.exists()
    assert json.loads(_invoke("models", "rm", "tiny.en", "--json").stdout) == {"name": "tiny.en", "removed": False}


@pytest.mark.usefixtures("here")
def test_a_model_that_there_is_not(woa: Woa) -> None:
    done = woa("models", "pull", "nix")
    assert done.returncode == 1
    assert "nix" in done.stderr
    assert "Traceback" not in done.stderr


def _states(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in examine(settings)}


def test_the_doctor_looks_at_everything(settings: Settings) -> None:
    found = _states(settings)
    assert list(found) == [
        "python", "memory", "data folder", "disk space", "device", "default model", "weights", "database", "blobs",
        "prefect", "access", "ffmpeg",
    ]  # fmt: skip
    assert found["database"].state is State.OK
    assert found["prefect"].state is State.WARN
    assert all(check.mend for check in found.values() if check.state is not State.OK)


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(settings: Settings, tmp_path: Path) -> None:
    wrong = settings.model_copy(
        update={
            "api_host": "0.0.0.0",
            "prefect_api_url": "http://127.0.0.1:1/api",
            "database_url": "postgresql+asyncpg://me:hush@127.0.0.1:1/no",
            "default_model": "nix",
            "device": "cuda",
            "data_dir": tmp_path,
        }
    )
    found = _states(wrong)
    for name in ("prefect", "database", "default model", "device"):
        assert found[name].state is State.FAIL, name
    assert "WOA_PREFECT_API_URL" in str(found["prefect"].mend)
    assert "hush" not in str(found)


def test_the_doctor_on_who_may_call(settings: Settings) -> None:
    assert _states(settings)["access"].state is State.OK
    open_to_all = settings.model_copy(update={"api_host": "0.0.0.0"})
    assert _states(open_to_all)["access"].state is State.FAIL
    assert _states(open_to_all.model_copy(update={"allow_anonymous": True}))["access"].state is State.WARN


def test_the_doctor_on_small_machines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "total_memory", lambda: 10**9)
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    monkeypatch.setattr(module, "NEEDED_DISK", 10**18)
    monkeypatch.setattr(module.sys, "version_info", (3, 10, 0))
    found = _states(settings)
    assert found["memory"].state is State.WARN
    assert {found[name].state for name in ("data folder", "disk space", "python")} == {State.FAIL}


@pytest.mark.usefixtures("here")
def test_the_doctors_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _invoke("doctor")
    assert said.exit_code == 0
    assert "ffmpeg" in said.stdout
    monkeypatch.setenv("WOA_DEFAULT_MODEL", "nix")
    failed = _invoke("doctor", "--json")
    assert failed.exit_code == 1
    assert {check["name"]: check["state"] for check in json.loads(failed.stdout)}["default model"] == "fail"


@pytest.mark.usefixtures("here")
def test_deploying_without_prefect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WOA_PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(SystemExit) as ended:
        main(["deploy"])
    assert ended.value.code == 1
    assert "WOA_PREFECT_API_URL" in capsys.readouterr().err


class _Odd(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SpeechError("Mend https://u:hush@h/?x=hush."), "Error: Mend https://***@h/?***\n"),
        (SpeechError(), "Error: internal_error\n"),
        (FileNotFoundError(2, "No such file or directory", "x.wav"), "Error: No such file or directory: x.wav\n"),
        (_Odd("hush"), "Error: Unexpected _Odd; run the command again with --debug to see where.\n"),
    ],
)
def test_errors_are_one_sentence(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("cli.main.app", fail)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 1
    assert capsys.readouterr().err == said
    with pytest.raises(type(error)):
        main(["--debug"])


def test_errors_of_our_packages_speak_for_themselves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workers.service import WrongPool

    def fail(*_: object, **__: object) -> None:
        raise WrongPool("The work pool is of another type.")

    monkeypatch.setattr("cli.main.app", fail)
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().err == "Error: The work pool is of another type.\n"
