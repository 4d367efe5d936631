"""Following a job over a real socket: everything once, from any server, and nobody held up."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from api import streams
from api.app import create_app
from speech.jobs import Job, JobStatus, Stage
from speech.settings import Settings
from speech.transcript import Segment
from storage.projection import Projection
from storage.store import Store
from tests.api.conftest import Desk, begin, complete, serving
from tests.waiting import eventually

Serve = Callable[[Settings], str]


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    opened = Store.open(settings)
    await opened.migrate()
    yield opened
    await opened.close()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60, limits=limits) as client:
        yield client


async def submitted(url: str, speech: bytes) -> str:
    async with client_of(url) as client:
        sent = await client.post("/upload", files=[("files", ("call.flac", speech))])
        body = {"file_ids": sent.json()["file_ids"], "model": "tiny.en"}
        answer = await client.post("/transcribe", json=body)
        return str(answer.json()["job_id"])


async def events(client: httpx.AsyncClient, job_id: str, **headers: str) -> AsyncIterator[ServerSentEvent]:
    async with aconnect_sse(client, "GET", f"/jobs/{job_id}/events", headers=headers) as stream:
        assert stream.response.status_code == 200
        async for event in stream.aiter_sse():
            yield event


async def all_of(url: str, job_id: str, **headers: str) -> list[ServerSentEvent]:
    async with client_of(url) as client:
        return [event async for event in events(client, job_id, **headers)]


async def work(store: Store, job_id: str, *, pieces: int = 3) -> Job:
    attempt = await store.attempts.begin(job_id, 1, "run-1")
    for piece in range(pieces):
        segment = Segment(float(piece), piece + 0.5, f"piece {piece}")
        await store.attempts.piece_done(attempt, attempt.job.files[0].file_id, piece, (segment,))
        progress = 90.0 * (piece + 1) / pieces
        await store.attempts.progress(attempt, attempt.job.files[0].file_id, Stage.TRANSCRIBING, progress)
    return attempt.job


async def test_a_listener_hears_everything_as_it_happens(
    settings: Settings, serve: Serve, store: Store, speech: bytes
) -> None:
    url = serve(settings)
    job_id = await submitted(url, speech)
    async with client_of(url) as client:
        heard = events(client, job_id)
        first = await anext(heard)
        assert (first.event, first.json()["status"], first.id) == ("progress", "queued", "1")
        await work(store, job_id)
        seen = [await anext(heard) for _ in range(7)]
        assert (seen[0].event, seen[0].json()["status"], seen[0].json()["stage"]) == (
            "progress",
            "processing",
            "preparing",
        )
        words = [event.json() for event in seen if event.event == "segment"]
        assert [(said["piece"], said["revision"], said["segments"][0]["text"]) for said in words] == [
            (0, 1, "piece 0"),
            (1, 1, "piece 1"),
            (2, 1, "piece 2"),
        ]
        await complete(store, job_id)
        rest = [event async for event in heard]
    assert [event.event for event in rest][-1] == "completed"
    assert [event.event for event in rest].count("completed") == 1
    ids = [int(event.id) for event in [first, *seen, *rest]]
    assert ids == list(range(1, len(ids) + 1))


async def test_it_is_taken_up_again_at_another_server(
    settings: Settings, serve: Serve, store: Store, speech: bytes
) -> None:
    one, two = serve(settings), serve(settings)
    job_id = await submitted(one, speech)
    await work(store, job_id)
    async with client_of(one) as client:
        heard = events(client, job_id)
        before = [await anext(heard) for _ in range(4)]
        await heard.aclose()  # type: ignore[attr-defined]
    resumed = asyncio.create_task(all_of(two, job_id, **{"Last-Event-ID": before[-1].id}))
    await complete(store, job_id)
    seen = [(event.id, event.event, event.data) for event in [*before, *await resumed]]
    assert seen == [(event.id, event.event, event.data) for event in await all_of(one, job_id)]
    async with client_of(two) as client:
        for asked in ({"headers": {"Last-Event-ID": seen[-1][0]}}, {"params": {"last_event_id": seen[-1][0]}}):
            answer = await client.get(f"/jobs/{job_id}/events", **asked)  # type: ignore[arg-type]
            assert (answer.status_code, answer.content) == (204, b"")


async def test_after_the_end_a_retry_goes_on(settings: Settings, serve: Serve, store: Store, speech: bytes) -> None:
    url = serve(settings)
    job_id = await submitted(url, speech)
    await work(store, job_id, pieces=1)
    await store.jobs.project(job_id, 1, Projection(JobStatus.FAILED, error="It broke.", error_code="worker_lost"))
    seen = await all_of(url, job_id)
    assert (seen[-1].event, seen[-1].json()["error_code"]) == ("failed", "worker_lost")
    async with client_of(url) as client:
        assert (await client.post(f"/jobs/{job_id}/retry")).status_code == 202
        assert (await client.delete(f"/jobs/{job_id}")).status_code == 202
    rest = await all_of(url, job_id, **{"Last-Event-ID": seen[-1].id})
    assert [(event.event, event.json()["attempt"]) for event in rest] == [("progress", 2), ("cancelled", 2)]
    ends = [event.event for event in await all_of(url, job_id) if event.event in ("failed", "cancelled", "completed")]
    assert ends == ["cancelled"]


async def test_silence_is_broken_by_comments(
    settings: Settings, serve: Serve, store: Store, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert streams.SILENCE_SECONDS == 15.0
    monkeypatch.setattr(streams, "SILENCE_SECONDS", 0.05)
    url = serve(settings)
    job_id = await submitted(url, speech)
    async with client_of(url) as client, client.stream("GET", f"/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.aiter_lines()
        while not (await anext(lines)).startswith(":"):
            pass


async def test_who_leaves_is_let_go_at_once(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    tail, left, sent = desk.parts.tail, asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.set()

    stream = streams.EventStream(tail, job_id, 0)
    streaming = asyncio.create_task(stream({"type": "http"}, receive, send))
    await sent.wait()
    assert tail.followers == 1
    left.set()
    await streaming
    assert tail.followers == 0


async def test_who_takes_nothing_is_let_go_after_a_while(
    settings: Settings, store: Store, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STALL_SECONDS", 0.3)
    app = create_app(settings)
    with serving(app) as url:
        job_id = await submitted(url, speech)
        attempt = await store.attempts.begin(job_id, 1, "run-1")
        for piece in range(8):  # more than the buffers of both sides take
            words = (Segment(float(piece), piece + 0.5, "planted " * 300_000),)
            await store.attempts.piece_done(attempt, attempt.job.files[0].file_id, piece, words)
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=60) as client:
            client.sendall(f"GET /api/v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"

            async def let_go() -> bool:
                return app.state.parts.tail.followers == 0

            await eventually(let_go)
            assert not (await asyncio.to_thread(last_of, client)).endswith(b"0\r\n\r\n")


def last_of(client: socket.socket) -> bytes:
    last = b""
    while chunk := client.recv(1 << 20):
        last = (last + chunk)[-100:]
    return last


async def test_many_streams_hold_nobody_up(settings: Settings, serve: Serve, store: Store, speech: bytes) -> None:
    url = serve(settings)
    job_id = await submitted(url, speech)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(url))
        heard = [events(client, job_id) for _ in range(150)]
        firsts = await asyncio.gather(*(anext(each) for each in heard))
        assert {event.id for event in firsts} == {"1"}
        assert (await client.get(f"/jobs/{job_id}")).json()["status"] == "queued"
        await begin(store, job_id)
        seconds = await asyncio.gather(*(anext(each) for each in heard))
        assert {event.json()["status"] for event in seconds} == {"processing"}
        await complete(store, job_id)
        for each in heard:
            assert [event async for event in each][-1].event == "completed"


async def test_head_and_unlawful_places(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    path = f"/api/v1/jobs/{job_id}/events"
    head = await desk.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert desk.parts.tail.followers == 0
    for place in ("-1", "x", "1" * 30):
        answer = await desk.client.get(path, headers={"Last-Event-ID": place})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert (await desk.client.get(path, params={"last_event_id": place})).status_code == 422
    assert (await desk.client.get("/api/v1/jobs/nobody/events")).json()["code"] == "job_not_found"


async def test_a_place_that_is_not_there_yet_is_the_end_of_the_log(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await complete(desk.store, job_id)
    path = f"/api/v1/jobs/{job_id}/events"
    assert (await desk.client.get(path, headers={"Last-Event-ID": "999999999999999"})).status_code == 204
    whole = await desk.client.get(path, headers={"Last-Event-ID": ""})
    assert whole.text.startswith("event: progress\ndata: {")
    assert json.loads(whole.text.split("data: ")[1].splitlines()[0])["job_id"] == job_id


async def test_deleted_results_are_not_in_the_stream(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    await work(desk.store, job_id)
    await complete(desk.store, job_id)
    path = f"/api/v1/jobs/{job_id}/events"
    assert "piece 1" in (await desk.client.get(path)).text
    await desk.client.delete(f"/api/v1/results/{job_id}")
    left = (await desk.client.get(path)).text
    assert "piece 1" not in left
    assert "event: completed" in left


async def test_a_server_that_stops_lets_its_streams_go(desk: Desk, speech: bytes) -> None:
    job_id = await desk.transcribe(file_ids=await desk.upload(("call.flac", speech)))
    following = asyncio.create_task(desk.client.get(f"/api/v1/jobs/{job_id}/events"))

    async def follows() -> bool:
        return desk.parts.tail.followers == 1

    await eventually(follows)
    await desk.parts.tail.close()
    assert "event: progress" in (await following).text
