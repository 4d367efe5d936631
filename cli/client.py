"""A World of ASR server, as the command line calls it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import httpx
from httpx_sse import connect_sse

from speech.errors import SpeechError

PREFIX = "/api/v1"
PATIENCE_SECONDS = 60.0
"""How long a server that does not answer is asked again, so that a restart of it does not end a wait."""
SILENCE_SECONDS = 5.0
"""How long a server may tell nothing of a job that is followed, until it is asked."""
FINISHED = frozenset({"completed", "failed", "cancelled", "expired"})


class ServerUnreachable(SpeechError):
    """Nobody answers at the server's address."""

    code = "server_unreachable"
    retryable = True


class ServerRefused(SpeechError):
    """The server says no; ``problem`` is what it said."""

    code = "server_refused"

    def __init__(self, message: str = "", problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.args = (message, problem)
        self.problem = problem or {}


class Server:
    """One server; a context manager, since it keeps connections open."""

    def __init__(self, url: str, api_key: str | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        self.url = url.rstrip("/").removesuffix(PREFIX)
        self._patience = patience
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(30.0, read=300.0),
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def upload(self, path: Path, heard: Callable[[int], None]) -> dict[str, Any]:
        """Send a file, telling ``heard`` how many bytes are read; the server's description of it."""
        with path.open("rb") as file:
            body = {"files": (path.name, Counted(file, heard))}
            answer = self._send("POST", f"{PREFIX}/upload", files=body)
        described: dict[str, Any] = answer.json()["files"][0]
        return described

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for a transcription; the job as it was accepted. Asked again after a lost answer, it is still one job."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        accepted: dict[str, Any] = self._patiently("POST", f"{PREFIX}/transcribe", json=request, headers=headers).json()
        return accepted

    def job(self, job_id: str) -> dict[str, Any]:
        """How a job is."""
        job: dict[str, Any] = self._patiently("GET", f"{PREFIX}/jobs/{job_id}").json()
        return job

    def follow(self, job_id: str, seen: Callable[[dict[str, Any]], None], interval: float = 0.2) -> dict[str, Any]:
        """Wait until a job is finished, showing to ``seen`` how it goes; the job as it ended.

        The server tells it, and where it does not, it is asked again and again.
        """
        place: str | None = ""
        while True:
            before = place
            place = None if place is None else self._listen(job_id, place, seen)
            job = self.job(job_id)
            seen(job)
            if job["status"] in FINISHED:
                return job
            if place is None or place == before:
                time.sleep(interval)
                interval = min(interval * 1.1, 1.0)

    def _listen(self, job_id: str, place: str, seen: Callable[[dict[str, Any]], None]) -> str | None:
        """Show what the server tells after ``place``, for as long as it does; the new place, None if it tells nothing.

        A connection that is silent is given up: whether the orchestrator answers is something that only a look shows.
        """
        timeout = httpx.Timeout(30.0, read=SILENCE_SECONDS)
        headers = {"Last-Event-ID": place} if place else {}
        try:
            with connect_sse(
                self._client, "GET", f"{PREFIX}/jobs/{job_id}/events", headers=headers, timeout=timeout
            ) as stream:
                if not stream.response.headers.get("content-type", "").startswith("text/event-stream"):
                    return place if stream.response.status_code == httpx.codes.NO_CONTENT else None
                for event in stream.iter_sse():
                    if event.event == "progress":
                        seen(event.json())
                    place = event.id
        except (httpx.TransportError, httpx.InvalidURL):
            return place
        return place

    def cancel(self, job_id: str) -> None:
        """Ask for a job to stop; one that is finished stays as it is."""
        answer = self._client.delete(f"{PREFIX}/jobs/{job_id}")
        if answer.status_code != httpx.codes.CONFLICT:
            _checked(answer)

    def result(self, job_id: str, name: str) -> bytes:
        """The only file's transcript in the format of that name."""
        return self._patiently("GET", f"{PREFIX}/results/{job_id}/{name}").content

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Any call below the API's prefix that may be made twice; what it answers, nothing for no content."""
        answer = self._patiently(method, f"{PREFIX}{path}", **more)
        said: dict[str, Any] = answer.json() if answer.content else {}
        return said

    def health(self) -> dict[str, Any]:
        """What the server says of itself, whatever its state."""
        health: dict[str, Any] = self._client.get(f"{PREFIX}/health").json()
        return health

    def _patiently(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Repeat a request that may be repeated for as long as the server is away or asks to come back."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._send(method, path, **more)
            except ServerUnreachable:
                if time.monotonic() > deadline:
                    raise
            except ServerRefused as refused:
                wait = refused.problem.get("retry_after")
                if wait is None or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
            time.sleep(0.5)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return _checked(self._client.request(method, path, **more))
        except httpx.TransportError as error:
            why = str(error).strip().rstrip(".") or type(error).__name__
            raise ServerUnreachable(
                f"No answer from {self.url} ({why}). Start a server with `woa serve`, or mend --server."
            ) from error
        except httpx.InvalidURL as error:
            raise ServerRefused(f"{self.url} is no URL of a server: {error}.") from None


class Counted:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, heard: Callable[[int], None]) -> None:
        self._file, self._heard = file, heard

    def read(self, count: int = -1) -> bytes:
        """As a file's."""
        chunk = self._file.read(count)
        self._heard(self._file.tell())
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()

    def fileno(self) -> int:
        """As a file's: the length is taken from it."""
        return self._file.fileno()


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    problem: dict[str, Any] = {}
    if "json" in answer.headers.get("content-type", ""):
        said = answer.json()
        problem = said if isinstance(said, dict) else {}
    wait = answer.headers.get("retry-after", "")
    if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE) and wait.isdecimal():
        problem["retry_after"] = int(wait)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ServerRefused("The server wants an API key: give --api-key or set WOA_API_KEY.", problem)
    raise ServerRefused(_sentence(answer, problem), problem)


def _sentence(answer: httpx.Response, problem: dict[str, Any]) -> str:
    said = str(problem.get("detail") or f"The server answered {answer.status_code} {answer.reason_phrase}.")
    fields = [f"{each['field']}: {each['message']}" for each in problem.get("errors") or () if "field" in each]
    return " ".join([said, *(f"({each})" for each in fields if each not in said)])
