"""The wheel, built as an index would get it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sources alone, by the build system that they name."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_what_is_needed_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "deployments/prefect.yaml" in names
    assert any(name.startswith("storage/migrations/versions/") for name in names)
    assert "api/reference.html" in names
    top = {name.partition("/")[0] for name in names}
    assert not top & {"tests", "benchmarks", "examples", "docs", "var"}
    assert not [name for name in names if "__pycache__" in name]


def test_it_works_without_the_sources(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "from deployments.specification import read\nfrom storage.schema import head\n"
        "print([each.name for each in read().deployments], bool(head()))\n"
        "from importlib.metadata import distribution\n"
        "print(sorted(point.name for point in distribution('world-of-asr').entry_points))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**environment(), "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found, points = done.stdout.splitlines()
    assert found == "['transcribe', 'part', 'enrol', 'clean_up', 'deliver', 'ingest', 'evaluate'] True"
    assert {"'woa'", "'world_of_asr'"} <= set(points.strip("[]").split(", "))
