"""The door in front of a server: what passes is unchanged, and each call is counted once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from benchmarks.door import Door, open_door


class Echo(BaseHTTPRequestHandler):
    """Gives back what it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name of the one it replaces)
        """Nothing."""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with open_door(server.server_port, tmp_path) as door:
            yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_calls_pass_unchanged_and_are_counted(door: Door) -> None:
    large = bytes(range(256)) * 2000
    began = time.time()
    with httpx.Client(base_url=f"http://127.0.0.1:{door.port}", trust_env=False) as client:
        for number in range(3):
            path = f"/api/flow_runs/{number:08}-0000-0000-0000-000000000000/set_state?again=1"
            assert client.post(path, content=large).content == large
        assert client.post("/api/flow_runs/filter", content=b"{}").status_code == 200
    counted = door.counted(began, time.time())
    assert counted["POST /api/flow_runs/ID/set_state"] == 3
    assert counted["POST /api/flow_runs/filter"] == 1
    assert not door.counted(began - 10, began)
