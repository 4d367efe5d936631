"""A private Redis server on loopback, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.stack import free_port

_START_SECONDS = 30


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Start a server and yield its URL, without a database's number; stop it at the end.

    Without Redis the test is skipped, but in CI it fails.
    """
    program = shutil.which("redis-server")
    if program is None:
        message = "Redis is not installed (Debian: apt-get install redis-server)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(message)
        pytest.skip(message)
    port, password = free_port(), secrets.token_hex(16)
    folder.mkdir()
    (folder / "redis.conf").write_text(
        f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nrequirepass {password}\nsave ""\nlogfile "{folder / "log"}"\n'
    )
    process = subprocess.Popen([program, str(folder / "redis.conf")], stdin=subprocess.DEVNULL)
    try:
        url = f"redis://:{password}@127.0.0.1:{port}"
        _wait_until_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    import redis

    limit = time.monotonic() + _START_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            with contextlib.suppress(redis.RedisError):
                client.ping()
                return
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError("Redis did not start.")
            time.sleep(0.05)
