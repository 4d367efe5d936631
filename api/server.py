"""The API as a process: uvicorn on one address, refused where strangers could reach a server without keys."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn

from api.app import create_app
from api.principal import is_loopback
from orchestration.settling import settle_memory
from speech.errors import SpeechError
from speech.settings import Settings
from storage.store import Store

_DRAIN_SECONDS = 10
"""How long requests that are under way may go on after the process was told to stop."""
_KEEP_ALIVE_SECONDS = 15
_HEADER_BYTES = 64 * 1024

Ready = Callable[[str], None]
"""Is told the URL that answers."""


class AddressRefused(SpeechError):
    """Strangers could reach the server, and there is no key to keep them out; or the address is taken."""

    code = "address_refused"


def serve(settings: Settings, ready: Ready | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished first.

    ``ready`` is told the base URL once the server answers.

    Raises:
        AddressRefused: the address is not loopback and there is no key, or nothing can listen there.

    """
    config = _config(settings)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(settings, config, ready))


async def check_address(settings: Settings, store: Store) -> None:
    """Refuse to listen where others than this machine's people could call without a key; AddressRefused."""
    if is_loopback(settings.api_host) or settings.allow_anonymous or await store.keys.any():
        return
    raise AddressRefused(
        f"WOA_API_HOST is {settings.api_host}, which other machines can reach, and there is no API key yet. Create one "
        "with `woa keys create`, listen on 127.0.0.1, or set WOA_ALLOW_ANONYMOUS=true if anybody may call."
    )


async def _serve(settings: Settings, config: uvicorn.Config, ready: Ready | None) -> None:
    store = Store.open(settings)
    try:
        await store.migrate()
        await check_address(settings, store)
        app = create_app(settings, store=store)
        config.app = app
        # A stream would hold the process for as long as requests may take; its client goes on at another server.
        server = _Server(config, ready, let_go=app.state.parts.tail.close)
        try:
            await server.serve()
        except SystemExit:
            # uvicorn has logged why; a message that a person can act on says more than an exit code.
            raise _taken(settings) from None
        if not server.started:
            raise _taken(settings)
    finally:
        await store.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Ready | None, let_go: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._ready = ready
        self._let_go = let_go

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        settle_memory()
        if self.started and self._ready is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._let_go()
        await super().shutdown(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in good order; a second SIGINT does not wait for requests.

        uvicorn would raise the signal again at the end, and so end the process before the storage is closed.
        """
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app=_unset,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )


async def _unset(scope: object, receive: object, send: object) -> None:
    raise RuntimeError("the app is set before the server starts")


def _taken(settings: Settings) -> AddressRefused:
    return AddressRefused(
        f"The API cannot listen on {settings.api_host}, port {settings.api_port}: another program does, or the address "
        "is not this machine's. Set WOA_API_PORT or WOA_API_HOST."
    )
