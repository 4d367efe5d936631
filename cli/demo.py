"""`woa demo`: the whole product at work on a recording of real speech, then a clean stop."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.parent import restore_signals
from cli.terminal import bar, clock, emit, tell
from speech.errors import SpeechError

if TYPE_CHECKING:
    from cli.background import BackgroundServer
    from cli.client import Server

MODEL = "tiny.en"
JOB_SECONDS = 900.0
"""How long the job may take, the start of the other parts included."""
FORMATS = ("vtt", "srt", "json", "txt")
RECORDING = Path(__file__).parent.parent / "examples" / "audio" / "jfk.flac"


class DemoFailed(SpeechError):
    """The demonstration did not show what it should."""

    code = "demo_failed"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    recording: Path | None = typer.Argument(None, help="Your own recording. [default: eleven seconds of real speech]"),
    stay: bool = typer.Option(False, "--stay", help="Stay up when done, to look around, until Ctrl-C."),
) -> None:
    """Show it all at work on a recording, then stop.

    Starts everything, transcribes over HTTP through a Prefect flow, shows the words and where things are. Data lies
    in var/demo and weights in var/models, unless WOA_DATA_DIR and WOA_MODELS_DIR say otherwise. When the usual
    ports are taken, free ones are used.

    Example: woa demo talk.mp3 --stay
    """
    from cli.background import BackgroundServer

    restore_signals()
    began = time.monotonic()
    path = recording or RECORDING
    if not path.is_file():
        raise DemoFailed(f"There is no recording {path}: name one of your own.")
    environment = _environment()
    data = Path(environment["WOA_DATA_DIR"])
    tell(f"Starting API, Prefect server, control and worker; their log is {data / 'serve.log'}.")
    with BackgroundServer(environment, data / "serve.log", tell) as server:
        _have_model(environment)
        _show(server, path, data / "results")
        if stay:
            tell("Everything stays up until Ctrl-C.")
            server.wait()
    emit(f"Stopped cleanly. The demonstration took {time.monotonic() - began:.1f} s.")
    emit("To start everything and keep it running: woa serve (in a clone: make serve)")


def _environment() -> dict[str, str]:
    from cli.ports import is_free

    given = dict(os.environ)
    defaults = {
        "WOA_DATA_DIR": "var/demo",
        "WOA_MODELS_DIR": "var/models",
        "WOA_DEFAULT_MODEL": MODEL,
        "WOA_API_PORT": "8000",
        "WOA_PREFECT_PORT": "4200",
    }
    for name, value in defaults.items():
        if not given.get(name):
            given[name] = value
    for name in ("WOA_DATA_DIR", "WOA_MODELS_DIR"):
        given[name] = str(Path(given[name]).expanduser().absolute())
    for name in ("WOA_API_PORT", "WOA_PREFECT_PORT"):
        if not is_free("127.0.0.1", int(given[name])):
            given[name] = "0"  # a free one
    # The worker loads the model while the other parts start.
    given.setdefault("WOA_PRELOAD_MODELS", f'["{given["WOA_DEFAULT_MODEL"]}"]')
    return given


def _have_model(environment: dict[str, str]) -> None:
    from cli.configuration import read_settings
    from cli.models import pull_one
    from weights.store import WeightStore

    settings = read_settings(models_dir=Path(environment["WOA_MODELS_DIR"]))
    pull_one(WeightStore.from_settings(settings), environment["WOA_DEFAULT_MODEL"])


def _show(running: BackgroundServer, path: Path, folder: Path) -> None:
    from cli.client import Server

    api = running.wait_for("api")
    with Server(api["url"], os.environ.get("WOA_API_KEY")) as server:
        sent = server.upload(path, lambda _count: None)
        tell(f"POST {server.url}/api/v1/upload: {sent['filename']}, {clock(sent['duration'] or 0.0)} of audio")
        request = {"file_ids": [sent["file_id"]], "output_formats": list(FORMATS), "cache": "refresh"}
        job_id = server.submit(request)["job_id"]
        tell(f"POST {server.url}/api/v1/transcribe: job {job_id}")
        job = _follow(server, job_id)
        running.wait_until_ready()
        _tell_words(server, job, folder)
        _tell_where(running, job)


def _follow(server: Server, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + JOB_SECONDS

    def seen(job: dict[str, Any]) -> None:
        progress.update(job["progress"], note=job["stage"])
        if time.monotonic() > deadline:
            raise DemoFailed(f"The job is still {job['status']} after {JOB_SECONDS:.0f} s.")

    with bar("Job", total=100) as progress:
        job = server.follow(job_id, seen, interval=0.1)
    if job["status"] != "completed":
        raise DemoFailed(f"The job is {job['status']}: {job['error'] or job['files'][0]['error']}")
    return job


def _tell_words(server: Server, job: dict[str, Any], folder: Path) -> None:
    import json

    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(job["files"][0]["filename"]).stem
    written = {name: server.result(job["job_id"], name) for name in FORMATS}
    document = json.loads(written["json"])
    emit(f"\nTranscript ({document['provider']}, {document['model']}, language {document['language']}):")
    for segment in document["segments"]:
        emit(f"  [{clock(segment['start'])} - {clock(segment['end'])}] {segment['text']}")
    emit(f"\nThe same as WebVTT:\n{written['vtt'].decode('utf-8').rstrip()}\n\nFiles:")
    for name, content in written.items():
        target = folder / f"{stem}.{name}"
        target.write_bytes(content)
        emit(f"  {target}")


def _tell_where(running: BackgroundServer, job: dict[str, Any]) -> None:
    addresses = running.wait_until_ready()
    run = _flow_run(addresses["prefect"], job["flow_run_id"])
    emit("\nIt ran through Prefect:")
    emit(f"  flow run   {run['name']} ({run['id']}), deployment in pool {run['work_pool_name']}")
    emit(f"  state      {run['state']['name']}, {run['total_run_time']:.2f} s")
    emit(f"  page       {job['flow_run_url']}")
    emit("\nWhere things are while it runs:")
    emit(f"  API docs   {addresses['docs']}")
    emit(f"  Prefect UI {addresses['prefect_ui']}")
    emit(f"  Data       {addresses['data']}\n")


def _flow_run(prefect: str, flow_run_id: str | None) -> dict[str, Any]:
    import httpx

    if flow_run_id is None:
        raise DemoFailed("The job has no flow run: it did not run through Prefect.")
    answer = httpx.get(f"{prefect}/flow_runs/{flow_run_id}", timeout=10.0, trust_env=False)
    run: dict[str, Any] = answer.raise_for_status().json()
    if run["state"]["type"] != "COMPLETED":
        raise DemoFailed(f"Prefect says that the flow run is {run['state']['name']}.")
    return run
