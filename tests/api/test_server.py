"""The process: where it may listen, and how it starts and stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.server import AddressRefused, check_address
from api.server import serve as serve_until_stopped
from speech.settings import Settings
from storage.store import Store
from tests.api.conftest import Desk

PROGRAM = """
import sys
from pathlib import Path
from api.server import serve
from speech.settings import Settings
settings = Settings(_env_file=None, data_dir=Path(sys.argv[1]), api_port=0)
serve(settings, ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def test_it_says_where_it_answers_and_stops_when_told(tmp_path: Path) -> None:
    with process(tmp_path) as (child, url):
        answer = httpx.get(f"{url}/api/v1/health/live", timeout=60)
        assert answer.json() == {"status": "live"}
        assert "server" not in answer.headers
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        assert out.endswith("stopped\n")


def test_a_stream_does_not_hold_a_server_that_is_told_to_stop(tmp_path: Path) -> None:
    with process(tmp_path) as (child, url), httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        body = {"urls": ["https://example.com/talk.mp3"], "model": "tiny.en"}
        accepted = client.post("/transcribe", json=body).json()
        with client.stream("GET", f"/jobs/{accepted['job_id']}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            child.send_signal(signal.SIGTERM)
            assert "event: completed" not in list(lines)  # it ends as a response does that is whole
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        assert out.endswith("stopped\n")


def test_proxy_headers_change_nobodys_address(tmp_path: Path) -> None:
    with process(tmp_path) as (_, url):
        answer = httpx.get(f"{url}/api/v1/jobs", headers={"X-Forwarded-For": "203.0.113.9"}, timeout=60)
        assert answer.json()["code"] == "key_required"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
async def test_other_addresses_need_a_key(changed: Callable[..., Settings], desk: Desk, host: str) -> None:
    with pytest.raises(AddressRefused, match="woa keys create"):
        await check_address(changed(api_host=host), desk.store)
    await check_address(changed(api_host=host, allow_anonymous=True), desk.store)
    await desk.store.keys.create("default", "mine")
    await check_address(changed(api_host=host), desk.store)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_loopback_needs_none(changed: Callable[..., Settings], desk: Desk, host: str) -> None:
    await check_address(changed(api_host=host), desk.store)


def test_a_refused_address_is_a_sentence(changed: Callable[..., Settings]) -> None:
    with pytest.raises(AddressRefused, match="no API key"):
        serve_until_stopped(changed(api_host="0.0.0.0"))


def test_a_taken_port_is_a_sentence(changed: Callable[..., Settings]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(AddressRefused, match="another program"):
            serve_until_stopped(changed(api_port=other.getsockname()[1]))


async def test_a_store_that_was_given_stays_open(settings: Settings) -> None:
    from api.app import create_app

    store = Store.open(settings)
    app = create_app(settings, store=store)
    async with app.router.lifespan_context(app):
        assert not await store.keys.any()
    assert not await store.keys.any()
    await store.close()
