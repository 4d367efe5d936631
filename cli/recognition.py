"""The two ways in which `woa transcribe` gets its words: by a server, or in this process."""

from __future__ import annotations

import json
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cli.inputs import Input
from cli.models import pull_one
from cli.terminal import Bar, bar, size
from speech.errors import SpeechError

if TYPE_CHECKING:
    from cli.client import Server
    from pipeline.runtime import Runtime
    from speech.jobs import Stage
    from speech.options import TranscribeRequest
    from speech.transcript import Segment

AHEAD = 4
"""Inputs that are sent to a server before the first of them is waited for."""


class TranscriptionFailed(SpeechError):
    """The server's job failed; the message is the server's."""

    code = "job_failed"


@dataclass(frozen=True, slots=True)
class Words:
    """A transcript: as the contract's JSON object, and written in each format that was asked for, by name."""

    document: dict[str, Any]
    written: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input: its words, or why there are none."""

    source: Input
    words: Words | None = None
    error: Exception | None = None


class Way(Protocol):
    """``begin`` may start work that ``finish`` waits for."""

    ahead: int

    def begin(self, source: Input) -> Any:
        """Start; what it returns is handed to ``finish``."""

    def finish(self, source: Input, begun: Any) -> Words:
        """Wait for the words."""

    def abandon(self, begun: Any) -> None:
        """Nobody waits any more."""


def transcribe_all(way: Way, sources: Iterable[Input]) -> Iterator[Outcome]:
    """The outcome of each input, in order; one that fails does not stop the others."""
    begun: deque[_Begun] = deque()
    left = iter(sources)
    try:
        while True:
            while len(begun) < way.ahead and (source := next(left, None)) is not None:
                begun.append(_begin(way, source))
            if not begun:
                return
            outcome = _finish(way, begun[0])
            begun.popleft()
            yield outcome
    finally:
        for each in begun:
            if each.error is None:
                way.abandon(each.ticket)


@dataclass(frozen=True, slots=True)
class _Begun:
    source: Input
    ticket: Any = None
    error: Exception | None = None


def _begin(way: Way, source: Input) -> _Begun:
    try:
        return _Begun(source, way.begin(source))
    except Exception as error:  # noqa: BLE001 - reported with the input that it belongs to; the others go on
        return _Begun(source, error=error)


def _finish(way: Way, begun: _Begun) -> Outcome:
    if begun.error is not None:
        return Outcome(begun.source, error=begun.error)
    try:
        return Outcome(begun.source, way.finish(begun.source, begun.ticket))
    except Exception as error:  # noqa: BLE001 - reported with the input that it belongs to; the others go on
        return Outcome(begun.source, error=error)


class ByServer:
    """Through a server: uploads, submits, follows, downloads."""

    ahead = AHEAD

    def __init__(self, server: Server, request: TranscribeRequest, formats: tuple[str, ...]) -> None:
        self._server = server
        self._request = request.model_dump(mode="json", exclude_unset=True)
        self._formats = formats

    def begin(self, source: Input) -> tuple[str, float | None]:
        """Send the recording and ask for its words; the job and the seconds of audio, where known."""
        if source.url is not None:
            return self._submit({"urls": [source.url]}), None
        path = source.path or Path(source.name)
        total = path.stat().st_size
        with bar(f"Sending {source.name}", total=total) as progress:
            sent = self._server.upload(path, lambda count: progress.update(count, note=f"of {size(total)}"))
        return self._submit({"file_ids": [sent["file_id"]]}), sent.get("duration")

    def finish(self, source: Input, begun: tuple[str, float | None]) -> Words:
        """Follow the job and fetch what it made."""
        job_id, duration = begun
        total = duration or 100.0
        with bar(source.name, total=total) as progress:
            job = self._server.follow(
                job_id, lambda seen: progress.update(total * seen["progress"] / 100, note=_note(seen))
            )
        if job["status"] != "completed":
            raise TranscriptionFailed(job["error"] or _first_error(job) or f"The job was {job['status']}.")
        document = self._server.result(job_id, "json")
        written = {name: document if name == "json" else self._server.result(job_id, name) for name in self._formats}
        return Words(json.loads(document), written)

    def abandon(self, begun: tuple[str, float | None]) -> None:
        """Cancel the job."""
        with suppress(SpeechError):
            self._server.cancel(begun[0])

    def _submit(self, inputs: dict[str, Any]) -> str:
        job_id: str = self._server.submit({**self._request, **inputs, "output_formats": list(self._formats)})["job_id"]
        return job_id


class InProcess:
    """Here, without server, database or Prefect.

    Raises:
        UnsupportedOption, ModelNotFound: when the provider cannot do what is asked, of any recording.

    """

    ahead = 1

    def __init__(self, runtime: Runtime, request: TranscribeRequest, formats: tuple[str, ...]) -> None:
        self._runtime = runtime
        self._request = request
        self._formats = formats
        self._model = runtime.registry.check(request).model

    def begin(self, source: Input) -> None:
        """Nothing is begun ahead: one recording at a time has all cores."""

    def finish(self, source: Input, begun: None) -> Words:
        """Fetch, decode, recognise."""
        if source.url is None:
            return self._transcribe(source.path or Path(source.name), source.name)
        with tempfile.TemporaryDirectory(prefix="woa-") as folder:
            return self._transcribe(self._download(source.url, Path(folder) / source.name), source.name)

    def abandon(self, begun: None) -> None:
        """Nothing runs."""

    def _pull_model(self) -> None:
        if self._runtime.weights.entry(self._model) is not None:
            pull_one(self._runtime.weights, self._model)

    def _download(self, url: str, target: Path) -> Path:
        from remote.download import download
        from remote.guard import UrlRules

        settings = self._runtime.settings
        rules = UrlRules.from_settings(settings)
        with bar(f"Fetching {target.name}"):
            download(url, target, rules, max_bytes=settings.max_upload_bytes, timeout=settings.url_timeout)
        return target

    def _transcribe(self, path: Path, name: str) -> Words:
        from audio.limits import Limits
        from audio.probe import probe
        from pipeline.local import transcribe_file
        from pipeline.render import rendered
        from speech.codec import to_json

        duration = probe(path, Limits.for_probing(self._runtime.settings)).duration
        self._pull_model()
        with bar(name, total=duration or 1.0) as progress:
            transcript = transcribe_file(self._runtime, path, self._request, Shown(progress, duration or 1.0))
        written = {each: rendered(transcript, each, self._request.subtitles) for each in self._formats}
        return Words(to_json(transcript), written)


class Shown:
    """Shows the progress of one file as seconds of audio; nobody cancels it but by Ctrl-C."""

    def __init__(self, progress: Bar, duration: float) -> None:
        self._progress, self._duration = progress, duration

    def progress(self, stage: Stage, fraction: float) -> None:
        """As an Observer's: only recognising takes time worth a bar."""
        from speech.jobs import Stage

        # What comes after recognition is named, and takes nothing back.
        done = fraction if stage is Stage.TRANSCRIBING else float(stage is not Stage.PREPARING)
        self._progress.update(self._duration * done, note=str(stage))

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        """As an Observer's: words are shown when all are there."""

    def cancelled(self) -> bool:
        """As an Observer's."""
        return False


def _note(job: dict[str, Any]) -> str:
    if job.get("stale_since"):
        return "the orchestrator does not answer; waiting"
    return str(job["stage"])


def _first_error(job: dict[str, Any]) -> str | None:
    return next((file["error"] for file in job["files"] if file["error"]), None)


def quiet_libraries() -> None:
    """Keep progress bars of libraries out of ours; they read this at import."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
