"""`woa evaluate`: how good the words of a set of recordings are, and whether they were better before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.sentences import sentence
from cli.terminal import LineBar, bar, tell
from speech.errors import SpeechError

if TYPE_CHECKING:
    from pipeline.evaluation.results import Result
    from pipeline.evaluation.run import Plan, Transcriber
    from pipeline.evaluation.samples import EvaluationSet

RESULT = ".json"
"""How the name of a result ends; every other file is taken for a set."""
OF_RUN = frozenset({"model", "provider", "language", "options", "request", "collar", "seed", "server", "api_key"})
OF_GATE = frozenset({"tolerance", "language_tolerance", "strict"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    context: typer.Context,
    manifest: Path = typer.Argument(
        metavar="MANIFEST|RESULT", help="A set as JSON Lines; or a result (.json), which is shown or compared again."
    ),
    model: str | None = typer.Option(None, help="Model, as `woa models list` names it. [default: by this machine]"),
    provider: str | None = typer.Option(None, help="Who recognises. [default: faster_whisper]"),
    language: str = typer.Option("manifest", help="Language asked for: each recording's own, auto, or en, de ..."),
    options: list[str] = typer.Option(
        [],
        "--option",
        metavar="NAME=VALUE",
        help="Any option of a request, such as vad.enabled=false or parameters.beam_size=1; may be repeated.",
    ),
    request: Path | None = typer.Option(None, help="A JSON file with options, as `POST /transcribe` takes them."),
    output: Path | None = typer.Option(None, "--output", "-o", help="File for the result, as JSON, texts included."),
    page: Path | None = typer.Option(None, help="File for a page with plots, as HTML."),
    against: Path | None = typer.Option(None, metavar="RESULT", help="An earlier result; exit code 1 if worse."),
    tolerance: float = typer.Option(0.0, min=0, help="Points by which a rate may be worse (with --against)."),
    language_tolerance: float = typer.Option(2.0, min=0, help="Points by which one language may be worse."),
    strict: bool = typer.Option(False, "--strict", help="Pass only what is shown to be within the tolerance."),
    collar: float = typer.Option(0.0, min=0, help="Seconds on each side of a boundary that DER leaves out."),
    seed: int = typer.Option(0, min=0, help="Of the resamples."),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON, without texts."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace what lies at --output and --page."),
    server: str | None = typer.Option(
        None, envvar="WOA_SERVER", help="URL of a server that transcribes. [default: this process does]"
    ),
    api_key: str | None = typer.Option(None, envvar="WOA_API_KEY", help="Key for that server; better by the variable."),
) -> None:
    """Measure how good the words of a set are.

    Says how many words, characters, seconds of speech and speakers are wrong, with intervals, and how long it took.
    Exit code 1: a recording failed, or, with --against, the run is worse than the other.

    \b
    woa evaluate tests/data/audio/manifest.jsonl --model base --output base.json --page base.html
    woa evaluate set.jsonl --option diarization.enabled=true --option vad.threshold=0.4 --against base.json
    woa evaluate after.json --against before.json --tolerance 1 --page changes.html
    """
    from cli.evaluated import show, write_page
    from pipeline.evaluation.comparison import Tolerance, compare
    from pipeline.evaluation.results import read_result, write_result
    from pipeline.evaluation.run import check_installed

    _check_given(context, manifest, against)
    check_installed()
    _check_free([path for path in (output, page) if path is not None], overwrite)
    before = read_result(against) if against is not None else None
    if manifest.suffix == RESULT:
        result = read_result(manifest)
    else:
        plan = _plan(_asked(request, options, model, provider), language, collar, seed)
        result = _run(manifest, plan, before, server, api_key)
    if output is not None:
        write_result(result, output)
    allowed = Tolerance(tolerance / 100, language_tolerance / 100, strict)
    comparison = compare(before, result) if before is not None else None
    if page is not None:
        write_page(page, result, comparison, allowed)
    show(result, comparison, allowed, as_json=as_json)
    good = comparison.passes(allowed) if comparison is not None else not result.overall.failed
    if not good:
        raise typer.Exit(1)


def _check_given(context: typer.Context, manifest: Path, against: Path | None) -> None:
    """Refuse options that would say nothing here: who gives them believes that they do."""
    of_run, of_gate = _given(context, OF_RUN), _given(context, OF_GATE)
    if of_run and manifest.suffix == RESULT:
        raise typer.BadParameter(
            f"{of_run}: a result is there already; options of a run belong to a manifest (.jsonl)."
        )
    if of_gate and against is None:
        raise typer.BadParameter(f"{of_gate}: there is nothing to compare with; add --against RESULT.")


def _given(context: typer.Context, names: frozenset[str]) -> str:
    """Which of some options stand on the command line; WOA_SERVER is set for other commands too."""
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "") if parameter.name in names else None
        if source is not None and source.name == "COMMANDLINE":
            given.append(parameter.opts[0])
    return ", ".join(given)


def _check_free(paths: list[Path], overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise typer.BadParameter(f"{path} is there already: name another file, or add --overwrite.")


def _asked(request: Path | None, options: list[str], model: str | None, provider: str | None) -> dict[str, Any]:
    """The body of the request: the file, then the options on top of it."""
    body: dict[str, Any] = {}
    if request is not None:
        try:
            body = json.loads(request.read_bytes())
        except OSError as error:
            raise typer.BadParameter(f"{request} cannot be read: {error.strerror}.") from None
        except ValueError:
            body = []  # type: ignore[assignment]
        if not isinstance(body, dict):
            raise typer.BadParameter(f"{request} is no JSON object.")
    named = [f"{name}={value}" for name, value in (("model", model), ("provider", provider)) if value is not None]
    for option in [*options, *named]:
        _put(body, option)
    return body


def _put(body: dict[str, Any], option: str) -> None:
    name, equals, value = option.partition("=")
    *path, last = name.split(".")
    if not equals or not all((*path, last)):
        raise typer.BadParameter(f"--option {option}: give NAME=VALUE.")
    for part in path:
        body = body.setdefault(part, {})
        if not isinstance(body, dict):
            raise typer.BadParameter(f"--option {option}: {part} has no options of its own.")
    try:
        body[last] = json.loads(value)
    except ValueError:
        body[last] = value


def _plan(body: dict[str, Any], language: str, collar: float, seed: int) -> Plan:
    from pydantic import ValidationError

    from pipeline.evaluation.run import FROM_SET, Plan, check_plan
    from speech.options import TranscribeRequest

    spoken = {} if language == FROM_SET else {"language": language}
    try:
        request = TranscribeRequest.model_validate({**body, **spoken})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise typer.BadParameter("; ".join(wrong)) from None
    if "language" in body and language == FROM_SET:
        language = request.language
    plan = Plan(request, language, collar, seed)
    check_plan(plan)
    return plan


def _run(manifest: Path, plan: Plan, before: Result | None, server: str | None, api_key: str | None) -> Result:
    from pipeline.evaluation.comparison import check_scoring
    from pipeline.evaluation.results import FileResult
    from pipeline.evaluation.run import evaluate as run
    from pipeline.evaluation.run import normalisers_of
    from pipeline.evaluation.samples import read_set

    chosen = read_set(manifest)
    if before is not None:
        check_scoring(before, plan.collar, normalisers_of(chosen))
    total = len(chosen.samples)
    # A server's jobs are shown one by one, and a terminal holds one bar at a time.
    shown = bar(chosen.name, total) if server is None else nullcontext(LineBar(chosen.name, total))
    with _transcriber(chosen, plan, server, api_key) as transcribe, shown as progress:

        def told(done: int, total: int, file: FileResult, error: Exception | None) -> None:
            progress.update(done, total)
            if error is not None:
                tell(f"{file.key}: {sentence(error)}")

        return run(chosen, plan, transcribe, told)


@contextmanager
def _transcriber(chosen: EvaluationSet, plan: Plan, server: str | None, api_key: str | None) -> Iterator[Transcriber]:
    from cli.recognition import quiet_libraries

    if server:
        from cli.client import Server

        with Server(server, api_key) as client:
            yield _by_server(client)
        return
    quiet_libraries()
    from cli.configuration import read_settings
    from engine.spinning import spin_little
    from pipeline.evaluation.local import InThisProcess
    from pipeline.runtime import Runtime

    spin_little()
    runtime = Runtime.open(read_settings(), allow_paths=True)
    try:
        _make_ready(runtime, chosen, plan)
        yield InThisProcess(runtime)
    finally:
        runtime.close()


def _make_ready(runtime: Any, chosen: EvaluationSet, plan: Plan) -> None:
    """Refuse what cannot be done, fetch the weights, and load them by the shortest one: loading is no recognising."""
    from cli.models import pull_one
    from pipeline.evaluation.local import InThisProcess

    requests = {plan.for_sample(sample).language: plan.for_sample(sample) for sample in chosen.samples}
    for name in dict.fromkeys(runtime.registry.check(request).model for request in requests.values()):
        if runtime.weights.entry(name) is not None:
            pull_one(runtime.weights, name)
    here = [sample for sample in chosen.samples if sample.path is not None]
    for sample in sorted(here, key=lambda sample: sample.path.stat().st_size if sample.path else 0):
        with suppress(SpeechError, OSError):  # whatever is wrong with it is told in its turn
            InThisProcess(runtime)(sample, plan.for_sample(sample))
            return


def _by_server(client: Any) -> Callable[..., Any]:
    from cli.inputs import Input
    from cli.recognition import ByServer
    from speech.codec import from_json

    def transcribe(sample: Any, request: Any) -> Any:
        name = sample.path.name if sample.path is not None else sample.sample_id
        source = Input(sample.key, name, path=sample.path, url=sample.url)
        way = ByServer(client, request, ())
        return from_json(way.finish(source, way.begin(source)).document)

    return transcribe
