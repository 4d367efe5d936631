"""A real receiver of webhooks on loopback: it answers as the test says, and keeps what came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """``came`` holds headers and bytes; ``reply`` answers the next ones."""

    port: int = 0
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    reply: Reply = field(default=lambda handler: answer(handler, 204))
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=planted-secret"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.came]

    def verified(self, secret: str, index: int = -1) -> Any:
        """What came, once the library has checked its signature."""
        headers, body = self.came[index]
        return Webhook(secret).verify(body, headers)

    def hangs(self) -> None:
        self.reply = lambda handler: (self.over.wait(30), None)[1]

    def drops(self) -> None:
        self.reply = lambda handler: handler.connection.close()

    def says(self, status: int, **headers: str) -> None:
        self.reply = lambda handler: answer(handler, status, headers)


def answer(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": "0", **(headers or {})}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.close_connection = True
            try:
                receiver.reply(self)
            except OSError:
                return

        def log_message(self, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
