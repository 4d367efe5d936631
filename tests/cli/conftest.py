"""What the tests of the command line share: running it as people do, and as cheaply as possible."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli.ports import claim_free

ROOT = Path(__file__).parent.parent.parent
Woa = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**given: str) -> dict[str, str]:
    """The present one without settings of ours, and with the sources on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WOA_", "PREFECT_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **given}


def free_port() -> int:
    """A port that nobody listens on now."""
    with ExitStack() as held:
        return claim_free(held)


@pytest.fixture
def variables(tmp_path: Path, models_dir: Path) -> dict[str, str]:
    """The environment of commands that keep their data in a folder of this test."""
    return environment(WOA_DATA_DIR=str(tmp_path / "data"), WOA_MODELS_DIR=str(models_dir), WOA_DEFAULT_MODEL="tiny.en")


@pytest.fixture
def woa(variables: dict[str, str], tmp_path: Path) -> Woa:
    """Run ``woa`` with some arguments; what it printed, and how it ended."""

    def run(*arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", *arguments]
        try:
            return subprocess.run(
                command,
                env={**variables, **(more or {})},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            log = tmp_path / "data" / "serve.log"
            said = log.read_text(errors="replace")[-20_000:] if log.is_file() else "none"
            pytest.fail(f"{command} went on for {late.timeout} s; the end of its server's log:\n{said}")

    return run
