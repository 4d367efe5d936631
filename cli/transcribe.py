"""`woa transcribe`: files, folders and URLs in, transcripts out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from cli.sentences import sentence
from cli.terminal import emit, emit_json, emit_path, tell

if TYPE_CHECKING:
    from cli.recognition import Outcome, Way
    from speech.options import TranscribeRequest

STDOUT = "-"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(transcribe)


def transcribe(
    inputs: list[str] = typer.Argument(
        metavar="FILE|FOLDER|URL", help="Recordings; folders are searched for media files, subfolders too."
    ),
    model: str | None = typer.Option(None, help="Model, as `woa models list` names it. [default: by this machine]"),
    language: str = typer.Option("auto", help="Language of the speech: en, de ... or auto."),
    task: Literal["transcribe", "translate"] = typer.Option("transcribe", help="translate is into English."),
    formats: list[str] = typer.Option(
        [],
        "--format",
        "-f",
        metavar="FORMAT",
        help="vtt, srt, txt, tsv, json, rttm or all; may be repeated. [default: vtt]",
    ),
    output: str | None = typer.Option(
        None, "--output", "-o", help="Folder for the results, or - for standard output. [default: beside each input]"
    ),
    as_json: bool = typer.Option(
        False, "--json", help="Print a JSON array with the transcripts; files only with --format or --output."
    ),
    prompt: str | None = typer.Option(None, help="Text that sets the style and the spelling of names."),
    hotwords: list[str] = typer.Option([], "--hotword", metavar="WORD", help="A word to expect; may be repeated."),
    no_vad: bool = typer.Option(False, "--no-vad", help="Recognise the whole audio, silence too."),
    no_guard: bool = typer.Option(False, "--no-guard", help="Keep also words that nobody seems to have said."),
    channels: str = typer.Option(
        "mix", metavar="mix|split|NUMBER", help="All channels mixed, each by itself, or one of them, from 0."
    ),
    speakers: bool = typer.Option(False, "--speakers", help="Say who speaks each word."),
    speakers_count: int | None = typer.Option(
        None, "--speakers-count", min=1, metavar="NUMBER", help="How many speak, where you know it; with --speakers."
    ),
    align: bool = typer.Option(False, "--align", help="Time every word anew, by forced alignment."),
    text: Path | None = typer.Option(
        None, metavar="FILE", help="What is spoken in the one recording, word for word: its words are timed."
    ),
    punctuate: bool = typer.Option(False, "--punctuate", help="Set marks and capitals where the recogniser sets none."),
    no_words: bool = typer.Option(False, "--no-words", help="No times of single words."),
    provider: str = typer.Option("faster_whisper", help="Who recognises."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace results of earlier runs."),
    server: str | None = typer.Option(
        None, envvar="WOA_SERVER", help="URL of a server that does the work. [default: this process does]"
    ),
    api_key: str | None = typer.Option(
        None,
        envvar="WOA_API_KEY",
        help="Key for that server; better set by the variable, which others on this machine cannot see.",
    ),
) -> None:
    """Transcribe recordings, here or through a server.

    Results are files beside the inputs, whose paths are printed; nothing that exists is overwritten unless you say so.
    A recording that fails does not stop the others: the exit code is then 1.

    \b
    woa transcribe talk.mp3
    woa transcribe recordings/ --format srt --format json --output transcripts/
    woa transcribe talk.mp3 --format txt --output -
    woa transcribe meeting.mp3 --speakers --format json --format rttm
    woa transcribe talk.mp3 --text talk.txt --format srt
    woa transcribe talk.mp3 --server http://127.0.0.1:8000
    """
    from cli.inputs import find_inputs
    from speech.formats import resolve

    wanted = resolve(formats or ([] if as_json and output is None else ["vtt"]))
    _check(wanted, output, as_json)
    request = _request(
        model=model,
        language=language,
        task=task,
        initial_prompt=prompt,
        hotwords=hotwords,
        vad={"enabled": not no_vad},
        guard={"enabled": not no_guard},
        channels=channels,
        diarization={"enabled": speakers, "num_speakers": speakers_count},
        alignment={"enabled": align or text is not None},
        script=_read(text),
        punctuation={"enabled": punctuate},
        word_timestamps=not no_words,
        provider=provider,
    )
    sources = find_inputs(inputs)
    if text is not None and len(sources) > 1:
        raise typer.BadParameter("--text belongs to one recording: give one.")
    with _way(server, api_key, request, wanted) as way:
        failed = _report(way, sources, wanted, output, overwrite=overwrite, as_json=as_json)
    if failed:
        if len(sources) > 1:
            tell(f"{failed} of {len(sources)} recordings failed.")
        raise typer.Exit(1)


def _check(wanted: tuple[str, ...], output: str | None, as_json: bool) -> None:
    if output != STDOUT:
        return
    if as_json:
        raise typer.BadParameter("--json prints to standard output already: leave out --output -.")
    if len(wanted) != 1:
        raise typer.BadParameter("--output - prints one format: give exactly one --format.")


def _request(**asked: Any) -> TranscribeRequest:
    """The request, with only the fields that differ from the defaults set."""
    from pydantic import ValidationError

    from speech.options import TranscribeRequest

    default = TranscribeRequest().model_dump(mode="json")
    given = {name: value for name, value in asked.items() if _differs(value, default[name])}
    try:
        return TranscribeRequest(**given)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise typer.BadParameter("; ".join(wrong)) from None


def _differs(value: Any, default: Any) -> bool:
    """Whether the command line asks for something else than what is done by default."""
    if isinstance(value, dict):
        return any(_differs(each, default[name]) for name, each in value.items())
    return value not in (default, None, [])


def _read(path: Path | None) -> str | None:
    """The text of a file."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--text: {path} cannot be read as UTF-8 text ({type(error).__name__}).") from None


@contextmanager
def _way(
    server: str | None, api_key: str | None, request: TranscribeRequest, formats: tuple[str, ...]
) -> Iterator[Way]:
    from cli.recognition import ByServer, InProcess, quiet_libraries

    if server:
        from cli.client import Server

        with Server(server, api_key) as client:
            yield ByServer(client, request, formats)
        return
    quiet_libraries()
    from cli.configuration import read_settings
    from engine.spinning import spin_little
    from pipeline.runtime import Runtime

    spin_little()
    runtime = Runtime.open(read_settings(), allow_paths=True)
    try:
        yield InProcess(runtime, request, formats)
    finally:
        runtime.close()


def _report(
    way: Way, sources: list[Any], formats: tuple[str, ...], output: str | None, *, overwrite: bool, as_json: bool
) -> int:
    """Hand out what comes as it comes; how many inputs failed."""
    from cli.outputs import Outputs
    from cli.recognition import transcribe_all

    outputs = Outputs(Path(output) if output not in (None, STDOUT) else None, overwrite)
    reports, failed = [], 0
    for outcome in transcribe_all(way, sources):
        files, error = [], outcome.error
        if error is None:
            try:
                files = _hand_out(outcome, formats, None if output == STDOUT else outputs, quiet=as_json)
            except OSError as trouble:
                error = trouble
        if error is not None:
            failed += 1
            tell(f"{outcome.source.shown}: {sentence(error)}")
        reports.append(_described(outcome, files, error))
    if as_json:
        emit_json(reports)
    return failed


def _hand_out(outcome: Outcome, formats: tuple[str, ...], outputs: Any, *, quiet: bool) -> list[Path]:
    from speech.formats import find

    if outcome.words is None:
        return []
    if outputs is None:
        emit(outcome.words.written[formats[0]].decode("utf-8"))
        return []
    if not formats:
        return []
    paths: list[Path] = outputs.write(
        outcome.source, {find(name).extension: outcome.words.written[name] for name in formats}
    )
    for path in paths:
        if not quiet:
            emit_path(path)
    return paths


def _described(outcome: Outcome, files: list[Path], error: Exception | None) -> dict[str, Any]:
    return {
        "input": outcome.source.shown,
        "status": "failed" if error else "completed",
        "files": [str(path) for path in files],
        "error": sentence(error) if error else None,
        "code": getattr(error, "code", "internal_error") if error else None,
        "transcript": outcome.words.document if outcome.words else None,
    }
