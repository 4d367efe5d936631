"""A door in front of a Prefect server that counts who calls what: whatever passes goes on unchanged.

It reads nothing but the first lines of requests, and lives in a process of its own: its pauses are nobody's.
`python -m benchmarks.door PORT TARGET_PORT FILE` writes a line with the moment, the method and the path for each call.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.stack import free_port

ROOT = Path(__file__).parent.parent
_FIRST_LINE = re.compile(rb"^(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)
_ID = re.compile(r"[0-9a-f-]{36}")
START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Door:
    """An open door: ``port`` is where it listens, ``calls`` the file that it writes."""

    port: int
    calls: Path

    def counted(self, since: float, until: float) -> Counter[str]:
        """How many calls there were of each kind between two moments (seconds since the epoch); ids are left out."""
        found: Counter[str] = Counter()
        for line in self.calls.read_text(encoding="utf-8").splitlines():
            moment, method, path = line.split(" ", 2)
            if since <= float(moment) < until:
                found[f"{method} {_ID.sub('ID', path.partition('?')[0])}"] += 1
        return found


@contextmanager
def open_door(target_port: int, folder: Path) -> Iterator[Door]:
    """A door to a port of loopback."""
    door = Door(free_port(), folder / "calls")
    door.calls.touch()
    command = [sys.executable, "-m", "benchmarks.door", str(door.port), str(target_port), str(door.calls)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait_until_open(door.port)
        yield door
    finally:
        process.terminate()
        process.wait()


def _wait_until_open(port: int) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        if time.monotonic() > limit:
            raise TimeoutError("The door does not open.")
        time.sleep(0.05)


async def serve(port: int, target_port: int, calls: TextIO) -> None:
    """Pass connections on for ever."""

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(_copy(reader, there_writer, calls), _copy(there_reader, writer, None))

    server = await asyncio.start_server(passed, "127.0.0.1", port)
    await server.serve_forever()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, calls: TextIO | None) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            if calls is not None:
                _note(data, calls)
            target.write(data)
            await target.drain()
    with suppress(OSError, RuntimeError):
        target.close()


def _note(data: bytes, calls: TextIO) -> None:
    """A client writes the head of a request at once, so that no first line is ever in two."""
    for method, path in _FIRST_LINE.findall(data):
        calls.write(f"{time.time()} {method.decode()} {path.decode()}\n")
    calls.flush()


if __name__ == "__main__":
    with Path(sys.argv[3]).open("a", encoding="utf-8") as written:
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), written))
