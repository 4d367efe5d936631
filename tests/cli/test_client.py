"""The client against a server that answers as servers do on bad days."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.client import Server, ServerRefused, ServerUnreachable
from tests.cli.conftest import free_port

Answer = tuple[int, dict[str, str], bytes]


class Scripted(ThreadingHTTPServer):
    """Answers what it was told, one after the other, and remembers what it was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, headers, content = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        return


def _json(status: int, body: Any, **headers: str) -> Answer:
    kind = "application/problem+json" if status >= 400 else "application/json"
    return status, {"Content-Type": kind, **headers}, json.dumps(body).encode()


@contextmanager
def _scripted(*answers: Answer) -> Iterator[Scripted]:
    server = Scripted(list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_upload_streams_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "b l.wav"
    path.write_bytes(bytes(300_000))
    heard: list[int] = []
    with _scripted(_json(201, {"files": [{"file_id": "f1", "duration": 3.0}]})) as server, Server(server.url) as woa:
        assert woa.upload(path, heard.append) == {"file_id": "f1", "duration": 3.0}
    _, where, headers, body = server.asked[0]
    assert where == "/api/v1/upload"
    assert b'filename="b l.wav"' in body
    assert "Authorization" not in headers
    assert heard[-1] == 300_000
    assert len(heard) > 3


def test_a_key_is_sent_and_a_prefix_in_the_url_is_borne() -> None:
    with _scripted(_json(200, {"status": "queued"})) as server, Server(f"{server.url}/api/v1/", "woa_key") as woa:
        assert woa.job("j1") == {"status": "queued"}
    assert server.asked[0][1] == "/api/v1/jobs/j1"
    assert server.asked[0][2]["Authorization"] == "Bearer woa_key"


def test_a_submission_is_repeated_as_the_same_one() -> None:
    busy = _json(503, {"detail": "Full."}, **{"Retry-After": "0"})
    with _scripted(busy, _json(202, {"job_id": "j1"})) as server, Server(server.url) as woa:
        assert woa.submit({"urls": []})["job_id"] == "j1"
    first, second = (headers["Idempotency-Key"] for _, _, headers, _ in server.asked)
    assert first == second


def test_what_the_server_refuses_is_said_in_its_words() -> None:
    problem = {"detail": "Wrong.", "errors": [{"field": "vad.threshold", "message": "too large", "code": "x"}]}
    with (
        _scripted(_json(422, problem), (500, {}, b"oops"), _json(401, {"detail": "x"})) as server,
        Server(server.url) as woa,
    ):
        with pytest.raises(ServerRefused, match=r"Wrong\. \(vad\.threshold: too large\)"):
            woa.submit({})
        with pytest.raises(ServerRefused, match="answered 500"):
            woa.job("j")
        with pytest.raises(ServerRefused, match="WOA_API_KEY"):
            woa.job("j")


def test_a_wait_longer_than_our_patience_is_not_waited() -> None:
    with (
        _scripted(_json(429, {"detail": "Later."}, **{"Retry-After": "3600"})) as server,
        Server(server.url) as woa,
        pytest.raises(ServerRefused, match="Later"),
    ):
        woa.job("j")


def test_nobody_there() -> None:
    with (
        Server(f"http://127.0.0.1:{free_port()}", patience=0.0) as woa,
        pytest.raises(ServerUnreachable, match="woa serve"),
    ):
        woa.job("j")


@pytest.mark.parametrize("url", ["http://[", "ftp://h", "nonsense"])
def test_no_url_at_all(url: str) -> None:
    with pytest.raises((ServerRefused, ServerUnreachable), match=r"URL|answer"), Server(url, patience=0.0) as woa:
        woa.job("j")


def _stream(*events: tuple[str, str, str], length: int = 0) -> Answer:
    """Events by id, name and status; with a ``length`` that is not reached, the connection breaks after them."""
    body = "".join(f'event: {name}\ndata: {{"status":"{status}"}}\nid: {number}\n\n' for number, name, status in events)
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return 200, headers | ({"Content-Length": str(length)} if length else {}), body.encode()


def test_a_job_is_followed_to_its_end_at_a_server_that_tells_no_events() -> None:
    seen: list[str] = []
    looks = [_json(200, {"status": status}) for status in ("queued", "processing", "failed")]
    with _scripted(_json(404, {"detail": "No."}), *looks) as server, Server(server.url) as woa:
        assert woa.follow("j", lambda job: seen.append(job["status"]), interval=0.0)["status"] == "failed"
    assert seen == ["queued", "processing", "failed"]
    assert [path for _, path, _, _ in server.asked] == ["/api/v1/jobs/j/events", *["/api/v1/jobs/j"] * 3]


def test_a_job_is_followed_by_its_events() -> None:
    seen: list[str] = []
    told = _stream(
        ("1", "progress", "queued"), ("2", "progress", "processing"), ("3", "segment", ""), ("4", "failed", "")
    )
    with _scripted(told, _json(200, {"status": "failed"})) as server, Server(server.url) as woa:
        assert woa.follow("j", lambda job: seen.append(job["status"]))["status"] == "failed"
    assert seen == ["queued", "processing", "failed"]


def test_a_stream_that_breaks_is_taken_up_where_it_was() -> None:
    seen: list[str] = []
    answers = [
        _stream(("1", "progress", "queued"), length=1000),
        _json(200, {"status": "queued"}),
        _stream(("2", "progress", "processing"), ("3", "completed", "")),
        _json(200, {"status": "processing"}),
        (204, {}, b""),
        _json(200, {"status": "completed"}),
    ]
    with _scripted(*answers) as server, Server(server.url) as woa:
        woa.follow("j", lambda job: seen.append(job["status"]), interval=0.0)
    assert seen == ["queued", "queued", "processing", "processing", "completed"]
    asked = [headers.get("Last-Event-ID") for _, path, headers, _ in server.asked if path.endswith("/events")]
    assert asked == [None, "1", "3"]


def test_cancelling_a_finished_job_is_fine() -> None:
    with _scripted(_json(202, {}), _json(409, {}), _json(404, {"detail": "No."})) as server, Server(server.url) as woa:
        woa.cancel("j")
        woa.cancel("j")
        with pytest.raises(ServerRefused):
            woa.cancel("j")
