"""`woa doctor`: what works here, what does not, and how to mend it."""

from __future__ import annotations

import typer

from cli.terminal import emit, emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: bool = typer.Option(False, "--json", help="Print a JSON array of checks.")) -> None:
    """Check this machine and these settings.

    Exit code 1 when something needs mending. Each line says ok, warn or fail, what was found and, where there is
    something to do, what.
    """
    from cli.checks import examine
    from cli.configuration import read_settings

    checks = examine(read_settings())
    if as_json:
        emit_json([{"name": c.name, "state": c.state, "found": c.found, "mend": c.mend} for c in checks])
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            emit(f"{check.state.ljust(4)}  {check.name.ljust(width)}  {check.found}")
            if check.mend:
                emit(f"      {' ' * width}  {check.mend}")
    raise typer.Exit(1 if any(check.state == "fail" for check in checks) else 0)
