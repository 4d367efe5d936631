"""The engine's socket against whoever connects: limits, cancellation, deadlines, and what is not understood."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine import connection, frames
from engine.asking import Limits
from engine.pcm import MOST_BYTES
from engine.server import EngineServer
from tests.engine.live import LIMITS, Clerk, bare, recognise, serving
from tests.waiting import eventually

SECOND = bytes(32_000)


async def _settled(server: EngineServer, busy: int = 0) -> None:
    async def so() -> bool:
        return server.busy == busy

    await eventually(so, within=20)


async def _works(server: EngineServer) -> None:
    """It takes no harm: somebody else is served."""

    async def served() -> bool:
        async with bare(server.path) as other:
            other.say(recognise(1), SECOND)
            return await other.hear() == {"type": "result", "id": 1}

    assert await served()


async def test_it_welcomes_and_says_its_limits(server: EngineServer) -> None:
    async with bare(server.path, greet=False) as caller:
        caller.say({"type": "hello", "version": 1, "from": "a later version"})
        assert await caller.hear() == {"type": "welcome", "version": 1, "audio_seconds": 2.0, "requests": 3}


async def test_requests_run_beside_each_other_and_are_answered_as_they_end(server: EngineServer, clerk: Clerk) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1, "wait"), SECOND)
        caller.say(recognise(2), SECOND)
        assert await caller.hear() == {"type": "result", "id": 2}
        clerk.go.set()
        assert await caller.hear() == {"type": "result", "id": 1}
    assert [asked.samples.size for asked in clerk.asked] == [16_000, 16_000]


async def test_no_more_under_way_than_it_takes(server: EngineServer, clerk: Clerk) -> None:
    async with bare(server.path) as one, bare(server.path) as two:
        for number in range(3):
            (one, two)[number % 2].say(recognise(number, "wait"), SECOND)
        await _settled(server, busy=3)
        two.say(recognise(9), SECOND)
        refused = await two.hear()
        assert refused is not None
        assert (refused["id"], refused["code"], refused["retryable"]) == (9, "engine_busy", True)
        clerk.go.set()
        assert {(await one.hear() or {})["id"] for _ in range(2)} == {0, 2}
        assert (await two.hear() or {})["id"] == 1
        two.say(recognise(9), SECOND)
        assert await two.hear() == {"type": "result", "id": 9}


async def test_no_more_connections_than_it_takes(server: EngineServer) -> None:
    async with bare(server.path), bare(server.path):
        async with bare(server.path, greet=False) as third:
            refused = await third.hear()
            assert refused is not None
            assert ("id" in refused, refused["code"], refused["retryable"]) == (False, "engine_busy", True)
            assert await third.ended()
        assert server.connections == 2

    async def left() -> bool:
        return server.connections == 0

    await eventually(left)
    await _works(server)


async def test_what_is_cancelled_is_dropped_and_answered(server: EngineServer, clerk: Clerk) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(5, "wait"), SECOND)
        caller.say({"type": "cancel", "id": 5})
        caller.say({"type": "cancel", "id": 77})  # ended long ago, perhaps
        answer = await caller.hear()
        assert answer is not None
        assert (answer["id"], answer["code"]) == (5, "job_cancelled")
        caller.say(recognise(5), SECOND)  # its number is free again
        assert await caller.hear() == {"type": "result", "id": 5}
    assert clerk.dropped == [""]


async def test_whoever_goes_away_wants_nothing_any_more(server: EngineServer, clerk: Clerk) -> None:
    async with bare(server.path) as caller:
        for number in range(2):
            caller.say(recognise(number, "wait", owner=f"o{number}"), SECOND)
        await _settled(server, busy=2)
    await _settled(server)
    assert sorted(clerk.dropped) == ["o0", "o1"]


async def test_a_deadline_that_has_passed_is_no_work(server: EngineServer, clerk: Clerk) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1, seconds=-0.5), SECOND)
        answer = await caller.hear()
        assert answer is not None
        assert (answer["id"], answer["code"], answer["retryable"]) == (1, "deadline_passed", False)
        assert clerk.asked == []
        caller.say(recognise(2, seconds=-0.5, expires=False), SECOND)
        assert await caller.hear() == {"type": "result", "id": 2}


async def test_deadlines_are_told_to_the_handler_by_its_own_clock(server: EngineServer, clerk: Clerk) -> None:
    before = time.monotonic()
    async with bare(server.path) as caller:
        caller.say(recognise(1, seconds=60.0), SECOND)
        await caller.hear()
        caller.say(recognise(2), SECOND)
        await caller.hear()
    assert before + 60 <= clerk.asked[0].deadline <= time.monotonic() + 60
    assert clerk.asked[1].deadline == float("inf")


async def test_audio_that_is_too_long_is_refused_and_the_next_request_is_not(
    server: EngineServer, clerk: Clerk
) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1), bytes(64_002))
        answer = await caller.hear()
        assert answer is not None
        assert (answer["id"], answer["code"]) == (1, "invalid_audio")
        caller.say(recognise(2), bytes(31_999))
        answer = await caller.hear()
        assert answer is not None
        assert (answer["id"], answer["code"]) == (2, "invalid_audio")
        caller.say(recognise(3), bytes(64_000))
        assert await caller.hear() == {"type": "result", "id": 3}
    assert len(clerk.asked) == 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "header"),
        (struct.pack(">II", frames.HEADER_BYTES + 1, 0), "header"),
        (struct.pack(">II", 0, 0), "protocol"),
        (struct.pack(">II", 5, 0) + b"\x00\xff\x00\xff\x00", "protocol"),
        (struct.pack(">II", 17, 0) + b'{"type": "sing"}\n', "protocol"),
        (struct.pack(">II", 30, 0) + b'{"type":"hello", "version": 1}', "told hello"),
        (struct.pack(">II", 24, 3) + b'{"type":"cancel","id":1}abc', "too long for cancel"),
    ],
)
async def test_what_it_does_not_understand_ends_the_connection(
    server: EngineServer, clerk: Clerk, raw: bytes, why: str
) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1, "wait"), SECOND)
        await _settled(server, busy=1)
        caller.writer.write(raw)
        refused = await caller.hear()
        assert refused is not None
        assert ("id" in refused, refused["code"]) == (False, "engine_refused")
        assert why in refused["message"]
        assert await caller.ended()
    await _settled(server)  # and what was under way for it is dropped
    assert clerk.dropped == [""]
    await _works(server)


async def test_a_payload_beyond_all_bounds_is_not_even_read(server: EngineServer) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1))
        assert await caller.hear() == {"type": "result", "id": 1}
        header = b'{"type":"recognise","id":2,"owner":"","encoding":"pcm_f32le"}'
        caller.writer.write(struct.pack(">II", len(header), MOST_BYTES + 1) + header + bytes(1000))
        refused = await caller.hear()
        assert refused is not None
        assert refused["code"] == "engine_refused"
        assert await caller.ended()


async def test_a_number_that_is_under_way_is_not_given_twice(server: EngineServer) -> None:
    async with bare(server.path) as caller:
        caller.say(recognise(1, "wait"), SECOND)
        caller.say(recognise(1), SECOND)
        refused = await caller.hear()
        assert refused is not None
        assert "under way already" in refused["message"]
        assert await caller.ended()


@pytest.mark.parametrize(
    "first", [{"type": "hello", "version": 2}, {"type": "cancel", "id": 1}, {"type": "hello"}, recognise(1), b"?"]
)
async def test_whoever_does_not_say_hello_is_sent_away(server: EngineServer, clerk: Clerk, first: Any) -> None:
    async with bare(server.path, greet=False) as caller:
        caller.say(first)
        answer = await caller.hear()
        assert answer is not None
        assert answer["code"] == "engine_refused"
        assert await caller.ended()
    assert clerk.asked == []


async def test_whoever_says_nothing_is_sent_away(server: EngineServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.05)
    async with bare(server.path, greet=False) as silent:
        assert "hello" in (await silent.hear() or {})["message"]
        assert await silent.ended()


async def test_a_frame_that_does_not_come_to_its_end(server: EngineServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bare(server.path) as slow:
        monkeypatch.setattr(frames, "FRAME_SECONDS", 0.05)
        header = b'{"type":"recognise","id":2,"owner":"","encoding":"pcm_f32le"}'
        slow.writer.write(struct.pack(">II", len(header), 4000) + header + bytes(100))
        assert "did not come" in (await slow.hear() or {})["message"]
        assert await slow.ended()


async def test_one_that_breaks_off_in_mid_frame_does_no_harm(server: EngineServer) -> None:
    for broken in (b"\x00", struct.pack(">II", 10, 10) + b"{", struct.pack(">II", 0, 10)):
        async with bare(server.path) as caller:
            caller.writer.write(broken)
            await caller.writer.drain()
    await _works(server)


async def test_whoever_does_not_read_is_not_read_from_and_dropped_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.5)
    clerk = Clerk(size=4_000_000)
    async with serving(tmp_path / "engines", clerk, LIMITS) as server, bare(server.path) as deaf:
        for number in range(2000):
            deaf.say(recognise(number), b"\0" * 3200)

        async def dropped() -> bool:
            return server.connections == 0

        await eventually(dropped)
        # What is under way, and what was read before the first answer was there to be written; not two thousand.
        assert len(clerk.asked) <= 20
        await _settled(server)


async def test_whoever_reads_late_loses_nothing(tmp_path: Path) -> None:
    clerk = Clerk(size=500_000)
    limits = Limits(connections=1, requests=100, audio_seconds=1.0)
    async with serving(tmp_path / "engines", clerk, limits) as server, bare(server.path) as late:
        for number in range(20):
            late.say(recognise(number))
        await late.writer.drain()
        assert {(await late.hear() or {})["id"] for _ in range(20)} == set(range(20))


async def test_errors_that_nobody_foresaw_are_told_by_kind_alone(server: EngineServer, clerk: Clerk) -> None:
    for failure in (ArithmeticError("secret words"), SystemExit(3), StopIteration("secret words")):
        clerk.failure = failure
        async with bare(server.path) as caller:
            caller.say(recognise(1, "fail"))
            answer = await caller.hear()
            assert answer is not None
            assert (answer["code"], answer["retryable"]) == ("internal_error", False)
            assert type(failure).__name__ in answer["message"]
            assert "secret" not in answer["message"]
    await _works(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_another_user_is_turned_away_whatever_the_files_say(server: EngineServer, tmp_path: Path) -> None:
    server.path.chmod(0o777)
    for folder in (server.path.parent, *server.path.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    script = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "caller = socket.socket(socket.AF_UNIX); caller.settimeout(20); caller.connect(sys.argv[1])\n"
        "try: print(caller.recv(1))\n"
        "except ConnectionResetError: print(b'')"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(server.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "b''"
    await _works(server)


async def test_closing_drops_what_is_under_way_and_leaves_nothing_behind(tmp_path: Path, clerk: Clerk) -> None:
    server = await EngineServer.open(tmp_path / "engines", clerk, LIMITS)
    async with bare(server.path) as caller:
        caller.say(recognise(1, "wait"), SECOND)
        await _settled(server, busy=1)
        await server.close()
        assert await caller.ended()
    assert (server.busy, clerk.dropped, list((tmp_path / "engines").glob("*.sock"))) == (0, [""], [])
    with pytest.raises(FileNotFoundError):
        await asyncio.open_unix_connection(str(server.path))
