"""A hub on loopback that speaks the few sentences that a pull needs."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.weights.toy import COMMIT, FILES, REPOSITORY, sha256


@dataclass
class Hub:
    """``files`` are what it holds; ``asked`` counts method and path; ``status`` answers every call when set."""

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    listed_sha256: str | None = None
    status: int | None = None
    error_code: str = ""
    token: str | None = None
    asked: Counter[str] = field(default_factory=Counter)
    authorizations: set[str | None] = field(default_factory=set)
    stall: threading.Event | None = None
    stalled: threading.Event = field(default_factory=threading.Event)

    @property
    def weights_sent(self) -> int:
        return self.asked[f"GET /{REPOSITORY}/resolve/{COMMIT}/model.bin"]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.hub.asked[f"{self.command} {path}"] += 1
        self.hub.authorizations.add(self.headers["Authorization"])
        if self.hub.status is not None:
            return self.say(
                self.hub.status, b"{}", {"X-Error-Code": self.hub.error_code} if self.hub.error_code else {}
            )
        if self.hub.token and self.headers["Authorization"] != f"Bearer {self.hub.token}":
            return self.say(401, b"{}", {"X-Error-Code": "GatedRepo"})
        if path == f"/api/models/{REPOSITORY}/revision/{COMMIT}":
            return self.say(200, self.listing(), {"Content-Type": "application/json"})
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        if name != path and name in self.hub.files:
            data = self.hub.files[name]
            return self.say(200, data, {"ETag": f'"{sha256(data)}"', "X-Repo-Commit": COMMIT})
        return self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def listing(self) -> bytes:
        siblings = []
        for name, data in self.hub.files.items():
            large = {"sha256": self.hub.listed_sha256 or sha256(data), "size": len(data), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": len(data)} | ({"lfs": large} if name == "model.bin" else {}))
        return json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode()

    def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.stall is not None and len(body) > 10_000:
            self.wfile.write(body[:5000])
            self.wfile.flush()
            self.hub.stalled.set()
            self.hub.stall.wait(60)
            return
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": found}))
    found.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    if found.stall is not None:
        found.stall.set()
    server.shutdown()
    server.server_close()
