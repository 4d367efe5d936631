"""Asking an engine over its socket: what comes back, what is cancelled, and what happens when it goes away."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from engine import client
from engine.asking import Limits
from engine.client import EngineClient
from engine.errors import DeadlinePassed, EngineBusy, EngineLost, EngineRefused
from engine.server import EngineServer
from speech.errors import InvalidAudio, RateLimited, SpeechError, UnsupportedOption
from speech.options import TranscribeRequest
from speech.transcript import Recognition, Segment
from tests.engine.live import FAIL, LIMITS, WAIT, Clerk, bare, serving
from tests.waiting import eventually

SECOND = np.linspace(-1, 1, 16_000, dtype=np.float32)


@pytest.fixture
async def engine(server: EngineServer) -> AsyncIterator[EngineClient]:
    async with EngineClient.connect(server.path) as engine:
        yield engine


async def _busy(server: EngineServer, count: int) -> None:
    async def so() -> bool:
        return server.busy == count

    await eventually(so, within=20)


async def test_the_words_of_a_piece(engine: EngineClient, clerk: Clerk) -> None:
    request = TranscribeRequest(model="base", language="de", hotwords=["Köln"], parameters={"beam_size": 1})
    words = await engine.recognise(SECOND, request, owner="anna", deadline=60)
    assert words == Recognition((Segment(0.0, 1.0, "anna"),), "en", 0.5)
    asked = clerk.asked[0]
    assert np.array_equal(asked.samples, SECOND)
    assert (asked.owner, asked.expires) == ("anna", True)
    assert asked.options == {
        "model": "base",
        "language": "de",
        "hotwords": ["Köln"],
        "parameters": {"beam_size": 1},
    }
    assert 50 < asked.deadline - time.monotonic() <= 60


async def test_int16_samples_and_no_deadline(engine: EngineClient, clerk: Clerk) -> None:
    await engine.recognise(np.array([-32768, 16384], dtype=np.int16), expires=False)
    asked = clerk.asked[0]
    assert (asked.samples.tolist(), asked.deadline, asked.expires) == ([-1.0, 0.5], math.inf, False)
    assert asked.options == {}


async def test_answers_come_in_any_order(engine: EngineClient, server: EngineServer, clerk: Clerk) -> None:
    slow = asyncio.create_task(engine.recognise(SECOND, WAIT, owner="slow"))
    await _busy(server, 1)
    quick = await engine.recognise(SECOND[:1600], owner="quick")
    assert quick.segments[0].text == "quick"
    clerk.go.set()
    assert (await slow).segments[0].text == "slow"


@pytest.mark.parametrize(
    "failure", [RateLimited("Slow down.", "cloud", 2.5), UnsupportedOption("task: no.", "task"), SpeechError("Odd.")]
)
async def test_errors_are_those_that_were_raised(engine: EngineClient, clerk: Clerk, failure: SpeechError) -> None:
    clerk.failure = failure
    with pytest.raises(SpeechError) as caught:
        await engine.recognise(SECOND, FAIL)
    assert vars(caught.value) == vars(failure)
    assert caught.value.code == failure.code
    assert engine.alive


async def test_cancelling_the_task_cancels_the_request(
    engine: EngineClient, server: EngineServer, clerk: Clerk
) -> None:
    task = asyncio.create_task(engine.recognise(SECOND, WAIT, owner="tom"))
    await _busy(server, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _busy(server, 0)
    assert clerk.dropped == ["tom"]
    await engine.recognise(SECOND)  # what was answered to the cancelled one disturbs nobody
    assert engine._waiting == {}


async def test_a_timeout_around_it_cancels_too(engine: EngineClient, server: EngineServer, clerk: Clerk) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await engine.recognise(SECOND, WAIT, owner="tom")

    async def dropped() -> bool:
        return clerk.dropped == ["tom"]

    await eventually(dropped)
    await _busy(server, 0)


async def test_a_deadline_that_has_passed(engine: EngineClient, clerk: Clerk) -> None:
    with pytest.raises(DeadlinePassed):
        await engine.recognise(SECOND, deadline=-0.1)
    assert clerk.asked == []


async def test_audio_that_is_too_long_is_not_even_sent(engine: EngineClient, clerk: Clerk) -> None:
    assert engine.audio_seconds == 2.0
    with pytest.raises(InvalidAudio, match="hold: 2"):
        await engine.recognise(np.zeros(32_001, dtype=np.float32))
    await engine.recognise(np.zeros(0, dtype=np.float32))
    assert [asked.samples.size for asked in clerk.asked] == [0]


def _nested(depth: int) -> dict[str, object]:
    return {} if not depth else {"a": _nested(depth - 1)}


@pytest.mark.parametrize(
    "parameters", [{"a": "x" * 300_000}, {"a": "\ud800"}, _nested(400)], ids=["long", "odd", "deep"]
)
async def test_options_that_cannot_be_said_end_no_other_request(
    engine: EngineClient, server: EngineServer, clerk: Clerk, parameters: dict[str, object]
) -> None:
    other = asyncio.create_task(engine.recognise(SECOND, WAIT))
    await _busy(server, 1)
    with pytest.raises(UnsupportedOption, match="options"):
        await engine.recognise(SECOND, TranscribeRequest(parameters=parameters))
    clerk.go.set()
    assert (await other).language == "en"


async def test_what_an_error_quotes_is_cut_short(engine: EngineClient, clerk: Clerk) -> None:
    clerk.failure = UnsupportedOption("x" * 300_000 + "\ud800", "y" * 300_000)
    with pytest.raises(UnsupportedOption) as caught:
        await engine.recognise(SECOND, FAIL)
    assert (len(caught.value.message), len(caught.value.field)) == (2000, 200)
    clerk.failure = UnsupportedOption("\ud800 is no text")
    with pytest.raises(UnsupportedOption, match=r"\? is no text"):
        await engine.recognise(SECOND, FAIL)


async def test_audio_of_two_channels_is_not_taken_for_one(engine: EngineClient) -> None:
    with pytest.raises(InvalidAudio, match="mono"):
        await engine.recognise(np.zeros((100, 2), dtype=np.float32))


async def test_a_full_engine(engine: EngineClient, server: EngineServer, clerk: Clerk) -> None:
    assert engine.requests == 3
    under_way = [asyncio.create_task(engine.recognise(SECOND, WAIT)) for _ in range(3)]
    await _busy(server, 3)
    with pytest.raises(EngineBusy) as caught:
        await engine.recognise(SECOND)
    assert caught.value.retryable
    async with EngineClient.connect(server.path):
        with pytest.raises(EngineBusy):
            async with EngineClient.connect(server.path):
                raise AssertionError("it was welcomed")
    clerk.go.set()
    await asyncio.gather(*under_way)


async def test_an_engine_that_goes_away_takes_what_was_under_way_with_it(
    engine: EngineClient, server: EngineServer
) -> None:
    tasks = [asyncio.create_task(engine.recognise(SECOND, WAIT)) for _ in range(3)]
    await _busy(server, 3)
    await server.close()
    for task in tasks:
        with pytest.raises(EngineLost) as caught:
            await task
        assert caught.value.retryable
    assert not engine.alive
    with pytest.raises(EngineLost):
        await engine.recognise(SECOND)


async def test_leaving_the_block_ends_what_is_under_way(server: EngineServer, clerk: Clerk) -> None:
    async with EngineClient.connect(server.path) as engine:
        task = asyncio.create_task(engine.recognise(SECOND, WAIT))
        await _busy(server, 1)
    with pytest.raises(EngineLost):
        await task
    await _busy(server, 0)
    with pytest.raises(EngineLost):
        await engine.recognise(SECOND)


async def test_nobody_listens(tmp_path: Path) -> None:
    stale = tmp_path / "engine-1-a.sock"
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(stale)], check=True)
    for path in (stale, tmp_path / "nothing", tmp_path / ("x" * 200) / "nothing"):
        with pytest.raises(EngineLost, match="No engine listens"):
            async with EngineClient.connect(path):
                raise AssertionError("somebody was there")


async def test_a_path_that_is_too_long_for_an_address(tmp_path: Path, clerk: Clerk) -> None:
    async with serving(tmp_path / ("long" * 30), clerk) as server, EngineClient.connect(server.path) as engine:
        assert (await engine.recognise(SECOND)).language == "en"


async def test_much_at_once_arrives_whole(tmp_path: Path, clerk: Clerk) -> None:
    clerk.size = 300_000
    limits = Limits(connections=1, requests=64, audio_seconds=60)
    pieces = [np.full(16_000 * 20, number / 64, dtype=np.float32) for number in range(24)]
    async with serving(tmp_path / "engines", clerk, limits) as server, EngineClient.connect(server.path) as engine:
        words = await asyncio.gather(*(engine.recognise(piece, owner=f"o{n}") for n, piece in enumerate(pieces)))
    assert [found.segments[0].text.split()[0] for found in words] == [f"o{number}" for number in range(24)]
    heard = {asked.owner: asked.samples for asked in clerk.asked}
    assert all(np.array_equal(heard[f"o{number}"], piece) for number, piece in enumerate(pieces))


Told = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _impostor(path: Path, told: Told) -> AsyncIterator[None]:
    """Somebody who listens and is no engine."""
    listening = await asyncio.start_unix_server(told, str(path))
    try:
        yield
    finally:
        listening.close()


def _frame(message: object, payload: bytes = b"") -> bytes:
    header = json.dumps(message).encode()
    return struct.pack(">II", len(header), len(payload)) + header + payload


WELCOME = {"type": "welcome", "version": 1, "audio_seconds": 9.0, "requests": 1}


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", EngineRefused),
        (_frame({"type": "result", "id": 1}), EngineRefused),
        (_frame({**WELCOME, "version": 2}), EngineRefused),
        (_frame({"type": "failed", "code": "engine_refused", "message": "Another version."}), EngineRefused),
        (_frame({"type": "failed", "code": "engine_busy", "message": "Full.", "retryable": True}), EngineBusy),
        (b"", EngineLost),
    ],
)
async def test_what_is_no_engine_is_not_believed(tmp_path: Path, greeting: bytes, error: type[SpeechError]) -> None:
    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with _impostor(tmp_path / "s", told):
        with pytest.raises(error):
            async with EngineClient.connect(tmp_path / "s"):
                raise AssertionError("it was believed")


async def test_an_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.05)
    done = asyncio.Event()

    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with _impostor(tmp_path / "s", told):
        with pytest.raises(EngineLost, match="no answer"):
            async with EngineClient.connect(tmp_path / "s"):
                raise AssertionError("it was believed")
        done.set()


@pytest.mark.parametrize(
    "answer",
    [
        _frame({"type": "result", "id": 0}, b"no words"),
        _frame({"type": "result", "id": 0}, b"[" * 100_000),
        _frame({"type": "hello", "version": 1}),
        _frame({"type": "failed", "code": "engine_refused", "message": "It was too much."}),
        struct.pack(">II", 2**31, 0),
        struct.pack(">II", 24, 2**31) + b'{"type": "result","id":0}'[:24],
        b"\x00\x00",
    ],
)
async def test_an_engine_that_talks_nonsense_is_lost(tmp_path: Path, answer: bytes) -> None:
    async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_frame(WELCOME))
        await reader.readuntil(b"recognise")
        writer.write(answer)
        writer.close()

    async with _impostor(tmp_path / "s", told), EngineClient.connect(tmp_path / "s") as engine:
        with pytest.raises(EngineLost):
            await engine.recognise(SECOND[:10])
        assert not engine.alive


async def test_bare_connections_and_clients_live_side_by_side(server: EngineServer, engine: EngineClient) -> None:
    async with bare(server.path) as other:
        other.say(b"?")
        assert await other.hear() is not None
    assert LIMITS.audio_seconds == engine.audio_seconds
    assert (await engine.recognise(SECOND)).language == "en"
