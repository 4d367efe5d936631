"""The README's examples, run as they stand, but for the address of the server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.stack import Stack

pytestmark = [pytest.mark.models, pytest.mark.prefect, pytest.mark.slow]

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name: str, stack: Stack) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.+?)```", README, re.DOTALL)
    assert found is not None, f"the README has no example {name!r}"
    return found[1].replace("http://127.0.0.1:8000", stack.url)


def run(*command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(stack: Stack) -> None:
    assert "WEBVTT" in run("bash", "-euo", "pipefail", "-c", example("curl", stack))


def test_python(stack: Stack) -> None:
    assert "ask not what your country" in run(sys.executable, "-c", example("python", stack)).replace(",", "")


def test_every_link_leads_somewhere() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
