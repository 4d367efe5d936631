"""`woa`: the door for people at a terminal and for scripts. Each group of commands has a file of its own.

Nothing heavy is imported here or at the top of those files, so that ``woa --help`` answers at once.
"""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

import typer

from cli import (
    demo,
    deploy,
    doctor,
    evaluate,
    ingest,
    keys,
    models,
    probe,
    roles,
    serve,
    speakers,
    transcribe,
    webhooks,
)
from cli.terminal import tell
from speech.errors import SpeechError

app = typer.Typer(
    name="woa",
    help="World of ASR: speech to text on your own machines.\n\n"
    "`woa serve` starts everything, `woa transcribe talk.mp3` transcribes a file, `woa doctor` says what is amiss.\n\n"
    "Settings come from the environment and from .env in the current folder; each name begins with WOA_. "
    "Add --debug to any command to see where an error comes from.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for group in (
    serve,
    transcribe,
    evaluate,
    ingest,
    keys,
    models,
    doctor,
    deploy,
    probe,
    roles,
    speakers,
    webhooks,
    demo,
):
    group.register(app)


OURS = frozenset(
    {"storage", "weights", "engine", "providers", "pipeline", "orchestration", "control", "workers", "deployments"}
)
"""Packages whose errors say in a sentence what to do."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("world-of-asr"))
        raise typer.Exit


@app.callback()
def _woa(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """What all commands share."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process: 0 done, 1 failed with a sentence, 2 called wrongly, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if debug:
        logging.basicConfig(level=logging.INFO)
        logging.getLogger("cli").setLevel(logging.DEBUG)
    try:
        app([argument for argument in given if argument != "--debug"], prog_name="woa")
    except SpeechError as error:
        if debug:
            raise
        _fail(error.message or error.code)
    except OSError as error:
        if debug:
            raise
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except Exception as error:
        if debug:
            raise
        if type(error).__module__.partition(".")[0] in OURS:
            _fail(str(error))
        _fail(f"Unexpected {type(error).__name__}; run the command again with --debug to see where.")


def _fail(sentence: str) -> NoReturn:
    from speech.redaction import redacted

    tell(f"Error: {redacted(sentence)}")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
