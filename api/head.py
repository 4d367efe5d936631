"""HEAD wherever there is GET: the same headers, no body, also where the body of a GET would not end soon."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: answers HEAD as GET would, and keeps the body to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        answered = asyncio.Event()

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered.set()

        async def until_answered() -> Message:
            """A stream sees its client leave as soon as the headers are out."""
            if answered.is_set():
                return {"type": "http.disconnect"}
            arriving, done = asyncio.ensure_future(receive()), asyncio.create_task(answered.wait())
            await asyncio.wait({arriving, done}, return_when=asyncio.FIRST_COMPLETED)
            done.cancel()
            if arriving.done():
                return arriving.result()
            arriving.cancel()
            return {"type": "http.disconnect"}

        await self._app({**scope, "method": "GET"}, until_answered, bodiless)
