"""The embedded Prefect server, for real."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from prefect import flow

from orchestration.client import open_client
from orchestration.server import PrefectServer, PrefectServerFailed, embedded_server
from speech.settings import Settings
from tests.prefect_server import RunningPrefect
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent


@flow
def nothing() -> None:
    """Do nothing."""


def _at(prefect: RunningPrefect, settings: Settings) -> Settings:
    return settings.model_copy(update={"prefect_api_url": prefect.url})


@pytest.mark.prefect
async def test_twenty_submitters_at_once_are_borne(prefect_server: RunningPrefect, settings: Settings) -> None:
    """No client may have to come back: ``retries=0`` turns every "database is locked" into a failure."""
    there = _at(prefect_server, settings)
    async with open_client(there) as client:
        deployment = await client.create_deployment(await client.create_flow(nothing), "burst")

    async def submit(share: int) -> list[str]:
        async with open_client(there) as client:
            runs = [await client.create_flow_run_from_deployment(deployment) for _ in range(share)]
        return [str(run.id) for run in runs]

    made = await asyncio.gather(*(submit(3 if number < 10 else 2) for number in range(20)))
    assert len({run_id for runs in made for run_id in runs}) == 50


@pytest.mark.prefect
async def test_its_pages_are_served_and_speak_to_it(prefect_server: RunningPrefect) -> None:
    root = prefect_server.url.removesuffix("/api")
    async with httpx.AsyncClient(base_url=root, follow_redirects=True, trust_env=False) as client:
        page = await client.get("/", headers={"accept": "text/html"})
        told = (await client.get("/ui-settings")).json()
        allowed = await client.get("/api/health", headers={"origin": "https://elsewhere.example"})
        ours = await client.get("/api/health", headers={"origin": root})
    assert page.status_code == 200
    assert "<html" in page.text.lower()
    assert told["api_url"] == prefect_server.url
    assert "access-control-allow-origin" not in allowed.headers
    assert ours.headers["access-control-allow-origin"] == root


async def test_a_taken_port_is_said(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PrefectServerFailed, match=rf"Port {port} .*WOA_PREFECT_PORT"):
            await PrefectServer.start(settings.model_copy(update={"prefect_port": port}))


async def test_a_server_that_ends_at_once_shows_the_end_of_its_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense://")
    with pytest.raises(PrefectServerFailed, match=r"(?s)ended at its start.*nonsense"):
        await PrefectServer.start(settings.model_copy(update={"prefect_port": 0}))


async def test_a_server_that_is_not_up_in_time_is_stopped(settings: Settings) -> None:
    with pytest.raises(PrefectServerFailed, match="not up after 0 seconds"):
        await PrefectServer.start(settings.model_copy(update={"prefect_port": 0}), within=0.2)
    ours = [child for child in psutil.Process().children() if "orchestration.prefect_main" in child.cmdline()]
    assert not [child for child in ours if str(settings.data_dir) in child.cwd()]


STARTER = """
import asyncio, sys
from pathlib import Path
from orchestration.server import PrefectServer
from speech.settings import Settings

async def main():
    settings = Settings(_env_file=None, data_dir=Path(sys.argv[1]), prefect_port=0)
    try:
        await PrefectServer.start(settings)
    finally:
        pass

asyncio.run(main())
"""


async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "data")], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        watched = psutil.Process(parent.pid)

        async def started() -> list[psutil.Process]:
            return [child for child in watched.children() if "orchestration.prefect_main" in child.cmdline()]

        children = await eventually(started)
        parent.send_signal(signal.SIGKILL)
        parent.wait()

        async def gone() -> bool:
            return not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)

        await eventually(gone)
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.slow
@pytest.mark.prefect
async def test_it_keeps_what_it_knows_over_a_restart(settings: Settings) -> None:
    fresh = settings.model_copy(update={"prefect_port": 0})
    async with embedded_server(fresh) as server, open_client(server.settings) as client:
        flow_id = await client.create_flow(nothing)
        assert "3." in await client.api_version()
    assert server.process.returncode is not None
    async with embedded_server(fresh) as server, open_client(server.settings) as client:
        assert (await client.read_flow(flow_id)).name == "nothing"
    await server.stop()
    assert await server.ended() == server.process.returncode
