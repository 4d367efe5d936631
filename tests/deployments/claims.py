"""What the files for containers claim of the program, checked against the program: settings, commands, files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_settings_fields
from prefect_redis.client import RedisMessagingSettings
from pydantic import TypeAdapter
from typer.main import get_command

from cli.main import app
from speech.settings import Settings

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deployments"

_REDIS = {f"PREFECT_REDIS_MESSAGING_{name.upper()}" for name in RedisMessagingSettings.model_fields}
_NOT_SETTINGS = {"PREFECT_HOME"}


def check_environment(environment: Mapping[str, object]) -> None:
    """Every variable of ours and of Prefect's is a setting that exists, and the plain values are ones that it takes."""
    for name, value in environment.items():
        if name.startswith("WOA_"):
            field = Settings.model_fields.get(name.removeprefix("WOA_").lower())
            assert field is not None, f"{name} is no setting"
            _check_value(name, value)
        elif name.startswith("PREFECT_"):
            known = _get_settings_fields(PrefectSettings).keys() | _REDIS | _NOT_SETTINGS
            assert name in known, f"Prefect has no setting {name}"


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str) or value == "":
        return
    field = Settings.model_fields[name.removeprefix("WOA_").lower()]
    read = json.loads(value) if value[0] in "{[" else value
    TypeAdapter(field.annotation).validate_python(read)


def check_command(command: Sequence[str]) -> None:
    """`woa` and `prefect` take such a call."""
    program, *arguments = command
    if program == "prefect":
        check_prefect_command(arguments)
    else:
        assert program == "woa", f"{program} is not a program of ours"
        check_woa_command(arguments)


def check_woa_command(arguments: Sequence[str]) -> None:
    """Parse as the program would, without running anything."""
    found: click.Command = get_command(app)
    context, rest = click.Context(found, info_name="woa"), list(arguments)
    while hasattr(found, "resolve_command"):
        name, found, rest = found.resolve_command(context, rest)
        assert found is not None, f"woa has no command {name}"
        context = click.Context(found, info_name=name, parent=context)
    found.make_context(str(context.info_name), rest, parent=context.parent)


def check_prefect_command(arguments: Sequence[str]) -> None:
    """Likewise for Prefect's own program."""
    import prefect.cli.server  # noqa: F401  (its commands are known once it is imported)
    from prefect.cli._app import _app

    _app.parse_args(list(arguments), exit_on_error=False, print_error=False)
