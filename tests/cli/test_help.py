"""Every command explains itself, quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app
from tests.cli.conftest import Woa, environment

ROOT_COMMAND = get_command(app)
GROUPS = ("keys", "models", "webhooks", "ingest", "speakers")
HEAVY = (
    "prefect",
    "faster_whisper",
    "ctranslate2",
    "onnxruntime",
    "av",
    "torch",
    "sqlalchemy",
    "fastapi",
    "pydantic",
    "httpx",
    "numpy",
)


def _commands() -> list[tuple[str, ...]]:
    top = ROOT_COMMAND.commands  # type: ignore[attr-defined]
    return [(name,) for name in top] + [(group, name) for group in GROUPS for name in top[group].commands]


COMMANDS = _commands()


def test_all_commands_are_there() -> None:
    names = {command[0] for command in COMMANDS}
    assert names == {
        "serve", "api", "worker", "control", "deploy", "keys", "models", "doctor", "probe", "transcribe", "demo",
        "webhooks", "ingest", "speakers", "evaluate",
    }  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_every_option_says_what_it_does(command: tuple[str, ...]) -> None:
    found = ROOT_COMMAND
    for name in command:
        found = found.commands[name]  # type: ignore[attr-defined]
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert found.help
    for parameter in found.params:
        if getattr(parameter, "hidden", False):
            continue
        said = getattr(parameter, "help", None)
        assert said, f"{' '.join(command)}: {parameter.name} is not explained"
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert name in shown.output or parameter.param_type_name == "argument"


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c[0] not in (*GROUPS, "doctor") or len(c) > 1], ids=" ".join
)
def test_help_gives_an_example(command: tuple[str, ...]) -> None:
    if command == ("models", "list") or command == ("keys", "list"):
        return
    assert f"woa {' '.join(command)}" in CliRunner().invoke(app, [*command, "--help"]).output


def test_the_list_of_commands_is_not_cut_off() -> None:
    shown = CliRunner().invoke(app, ["--help"], terminal_width=80).output
    assert "..." not in shown.partition("Commands:")[2]


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "transcribe" in done.stdout


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("speech", HEAVY),
        ("speech.settings", ("prefect", "sqlalchemy", "fastapi", "numpy", "av", "torch", "onnxruntime")),
        ("storage.store", ("prefect", "fastapi", "av", "faster_whisper", "ctranslate2", "onnxruntime", "torch")),
        ("providers.base", ("prefect", "fastapi", "sqlalchemy", "av", "faster_whisper", "ctranslate2", "torch")),
        ("providers.registry", ("prefect", "fastapi", "av", "faster_whisper", "ctranslate2", "onnxruntime", "torch")),
        ("engine.client", tuple(name for name in HEAVY if name not in ("pydantic", "numpy"))),
        ("api.server", ("prefect", "av", "faster_whisper", "ctranslate2", "onnxruntime", "torch")),
        ("cli.main", HEAVY),
        ("cli.serve", ("prefect", "av", "faster_whisper", "ctranslate2", "onnxruntime", "torch", "sqlalchemy")),
        ("orchestration.server", ("prefect",)),
    ],
)
def test_importing_is_quick(package: str, forbidden: tuple[str, ...]) -> None:
    script = f"import sys, {package}\nprint([name for name in {forbidden!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_arguments_show_help_and_a_wrong_call_is_2(woa: Woa) -> None:
    nothing = woa()
    assert nothing.returncode == 2
    assert "Usage: woa" in nothing.stdout + nothing.stderr
    wrong = woa("transcribe")
    assert wrong.returncode == 2
    assert "Missing argument" in wrong.stderr
    assert woa("nonsense").returncode == 2


def test_version(woa: Woa) -> None:
    assert woa("--version").stdout.strip()[0].isdigit()
