"""Uploads over a real socket: stored while they come, answered when refused, gone when the client goes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api import bodies
from speech.settings import Settings

HEAD = b'--frontier\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
TAIL = b"\r\n--frontier--\r\n"
TYPE = "multipart/form-data; boundary=frontier"
MIB = 1024 * 1024


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.port is not None
    return socket.create_connection(("127.0.0.1", parts.port), timeout=60)


def begin_upload(url: str, extra: bytes = b"") -> socket.socket:
    client = connect(url)
    client.sendall(
        b"POST /api/v1/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: " + TYPE.encode() + b"\r\n" + extra + b"\r\n"
    )
    send_chunk(client, HEAD)
    return client


def send_chunk(client: socket.socket, data: bytes) -> None:
    client.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def stored(settings: Settings) -> list[Path]:
    return [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.02)


def read_answer(client: socket.socket) -> bytes:
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer


def test_bytes_are_stored_while_they_come_and_go_with_the_client(
    settings: Settings, serve: Callable[[Settings], str]
) -> None:
    client = begin_upload(serve(settings))
    for _ in range(4):
        send_chunk(client, bytes(MIB))
    until(lambda: sum(path.stat().st_size for path in stored(settings)) >= 2 * MIB)
    client.close()
    until(lambda: stored(settings) == [])


def test_a_client_that_sends_on_reads_why_it_was_refused(
    changed: Callable[..., Settings], serve: Callable[[Settings], str]
) -> None:
    """The server reads on for a while: to close at once would reset the connection under the answer."""
    settings = changed(max_upload_bytes=MIB)

    def endless() -> Iterator[bytes]:
        yield HEAD
        for _ in range(24):
            yield bytes(MIB)
        yield TAIL

    answer = httpx.post(
        f"{serve(settings)}/api/v1/upload", content=endless(), headers={"Content-Type": TYPE}, timeout=60
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert answer.headers["connection"] == "close"
    assert stored(settings) == []


def test_a_refusal_does_not_read_for_ever(
    changed: Callable[..., Settings], serve: Callable[[Settings], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.bodies.Lingering.__init__.__defaults__", (0.2, 64 * MIB))
    client = begin_upload(serve(changed(max_upload_bytes=1000)))
    send_chunk(client, bytes(4 * MIB))
    answer = read_answer(client)
    assert answer.startswith(b"HTTP/1.1 413")
    client.close()


def test_a_body_that_stalls_is_408_and_gone(
    settings: Settings, serve: Callable[[Settings], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies.chunks_of, "__defaults__", (0.2,))
    monkeypatch.setattr("api.bodies.Lingering.__init__.__defaults__", (0.2, MIB))
    client = begin_upload(serve(settings))
    answer = read_answer(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timed_out" in answer
    assert stored(settings) == []
    client.close()


def test_a_client_that_asks_first_is_refused_before_it_sends(
    changed: Callable[..., Settings], serve: Callable[[Settings], str]
) -> None:
    client = connect(serve(changed(max_upload_bytes=1000, max_files_per_upload=1)))
    client.sendall(
        b"POST /api/v1/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n"
        b"Content-Type: " + TYPE.encode() + b"\r\n\r\n"
    )
    answer = read_answer(client)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in answer
    client.close()


def test_a_whole_upload_over_a_socket(settings: Settings, serve: Callable[[Settings], str], speech: bytes) -> None:
    url = serve(settings)
    answer = httpx.post(f"{url}/api/v1/upload", files=[("files", ("jfk.flac", speech))], timeout=60)
    assert answer.status_code == 201
    (path,) = stored(settings)
    assert path.read_bytes() == speech


def test_memory_does_not_grow_with_the_upload(settings: Settings, serve: Callable[[Settings], str]) -> None:
    """Ninety-six MiB pass; what the server holds of them at any time is a few pieces."""
    import tracemalloc

    url = serve(settings)
    client = begin_upload(url)
    piece = bytes(MIB)
    tracemalloc.start()
    try:
        for _ in range(96):
            send_chunk(client, piece)
        until(lambda: sum(path.stat().st_size for path in stored(settings)) >= 90 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB
    client.close()
    until(lambda: stored(settings) == [])
