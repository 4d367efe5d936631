"""Everything started by one command: used, disturbed, stopped and started again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.background import BackgroundServer, ServerFailed
from cli.client import Server
from tests.cli.conftest import Woa, environment, free_port

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.models]


def _environment(folder: Path, models: Path) -> dict[str, str]:
    return environment(
        WOA_DATA_DIR=str(folder),
        WOA_MODELS_DIR=str(models),
        WOA_DEFAULT_MODEL="tiny.en",
        WOA_API_PORT=str(free_port()),
        WOA_PREFECT_PORT=str(free_port()),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def told(folder: Path, models_dir: Path) -> dict[str, str]:
    return _environment(folder, models_dir)


@pytest.fixture(scope="module")
def served(told: dict[str, str], folder: Path) -> Iterator[BackgroundServer]:
    with BackgroundServer(told, folder / "serve.log", lambda _line: None) as server:
        server.wait_until_ready()
        yield server


def _until(met: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def _parts(supervisor: int) -> dict[str, psutil.Process]:
    found = {}
    for child in psutil.Process(supervisor).children():
        try:
            line = child.cmdline()
        except psutil.NoSuchProcess:  # it has ended
            continue
        if "orchestration.prefect_main" in line:
            found["prefect"] = child
        elif "cli.main" in line:
            found[line[line.index("cli.main") + 1]] = child
    return found


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=0)[1]


def test_all_parts_are_told_of(served: BackgroundServer, told: dict[str, str]) -> None:
    addresses = served.wait_until_ready()
    assert addresses["api"] == f"http://127.0.0.1:{told['WOA_API_PORT']}"
    assert addresses["prefect_ui"] == f"http://127.0.0.1:{told['WOA_PREFECT_PORT']}"
    assert addresses["data"] == told["WOA_DATA_DIR"]
    assert set(_parts(served.pid)) == {"api", "worker", "control", "prefect"}
    assert served.wait_for("worker")["seconds"] > 0


def test_a_file_goes_through_it(served: BackgroundServer, woa: Woa, jfk: Path, tmp_path: Path) -> None:
    url = served.wait_until_ready()["api"]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    done = woa("transcribe", str(bad), str(jfk), "--server", url, "-f", "all", "-o", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "bad.wav: " in done.stderr
    assert "1 of 2 recordings failed." in done.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"jfk.{ending}" for ending in ("json", "rttm", "srt", "tsv", "txt", "vtt")]
    assert sorted(done.stdout.split()) == sorted(str(tmp_path / "out" / name) for name in names)
    document = json.loads((tmp_path / "out" / "jfk.json").read_text())
    assert "ask what you can do for your country" in document["text"]
    assert document["job_id"]


def test_through_it_as_json(served: BackgroundServer, woa: Woa, jfk: Path) -> None:
    url = served.wait_until_ready()["api"]
    done = woa("transcribe", str(jfk), "--json", "--no-words", more={"WOA_SERVER": url})
    (report,) = json.loads(done.stdout)
    assert report["status"] == "completed"
    assert report["files"] == []
    assert report["transcript"]["segments"][0]["words"] == []


def test_a_wrong_option_is_refused_by_name(served: BackgroundServer, woa: Woa, jfk: Path) -> None:
    done = woa("transcribe", str(jfk), "--model", "nix", "--server", served.wait_until_ready()["api"])
    assert done.returncode == 1
    assert "nix" in done.stderr


def test_deploying_again_changes_nothing(served: BackgroundServer, woa: Woa, told: dict[str, str]) -> None:
    done = woa("deploy", "--json", more=told)
    assert json.loads(done.stdout)["changes"] == []


def test_the_doctor_finds_it_well(served: BackgroundServer, woa: Woa, told: dict[str, str]) -> None:
    done = woa("doctor", "--json", more=told)
    checks = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    assert checks["prefect"] == "ok"
    assert checks["database"] == "ok"


def test_a_second_one_is_refused(served: BackgroundServer, woa: Woa, told: dict[str, str], folder: Path) -> None:
    second = woa("serve", more=told)
    assert second.returncode == 1
    assert f"Another `woa serve` uses the data folder {folder}" in second.stderr


@pytest.mark.parametrize("name", ["WOA_API_PORT", "WOA_PREFECT_PORT"])
def test_a_taken_port_is_named(
    name: str, served: BackgroundServer, woa: Woa, told: dict[str, str], tmp_path: Path
) -> None:
    free = {"WOA_API_PORT": "0", "WOA_PREFECT_PORT": "0", "WOA_DATA_DIR": str(tmp_path / "other")}
    second = woa("serve", more={**told, **free, name: told[name]})
    assert second.returncode == 1
    assert f"Port {told[name]} on 127.0.0.1" in second.stderr
    assert name in second.stderr


def test_a_part_that_is_killed_comes_back(served: BackgroundServer, folder: Path) -> None:
    before = _parts(served.pid)["control"]
    before.kill()
    _until(lambda: "control" in _parts(served.pid) and _parts(served.pid)["control"].pid != before.pid)
    assert "control ended (killed by signal 9); it starts again" in (folder / "serve.log").read_text()


def test_stopping_in_the_middle_loses_nothing_and_a_kill_leaves_nothing(
    models_dir: Path, tmp_path: Path, jfk: Path
) -> None:
    told = _environment(tmp_path / "data", models_dir)
    log = tmp_path / "serve.log"
    with BackgroundServer(told, log, lambda _line: None) as server, Server(server.wait_for("api")["url"]) as client:
        file = client.upload(jfk, lambda _count: None)
        # Prefect and worker are on their way still: the job is accepted all the same.
        job = client.submit({"file_ids": [file["file_id"]]})["job_id"]
        parts = list(_parts(server.pid).values())
    assert not _alive(parts)

    with pytest.raises(ServerFailed, match="exit code -9"):
        _finish_and_kill(told, log, job)


def _finish_and_kill(told: dict[str, str], log: Path, job: str) -> None:
    with BackgroundServer(told, log, lambda _line: None) as server, Server(server.wait_for("api")["url"]) as client:
        assert client.follow(job, lambda _job: None)["status"] == "completed"
        parts = list(_parts(server.pid).values())
        os.kill(server.pid, signal.SIGKILL)
        _until(lambda: not _alive(parts))


def test_strangers_are_kept_out_before_anything_starts(woa: Woa) -> None:
    refused = woa("serve", more={"WOA_API_HOST": "0.0.0.0", "WOA_API_PORT": "0", "WOA_PREFECT_PORT": "0"})
    assert refused.returncode == 1
    assert "woa keys create" in refused.stderr
    assert "starts again" not in refused.stderr
