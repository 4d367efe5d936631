"""Flows that do next to nothing, for workers to run: they leave marks in a folder that their parameters name."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow, task

from orchestration.handover import let_go
from speech.errors import InvalidAudio
from tasks.current import current


@task
def step(folder: str, name: str) -> str:
    (Path(folder) / f"{name}.step").touch()
    return name


@flow(name="tiny", persist_result=False)
def tiny(folder: str, name: str) -> None:
    """Leave a mark."""
    step(folder, name)
    (Path(folder) / name).write_text("done", encoding="utf-8")


@flow(name="waiting", persist_result=False)
def waiting(folder: str, name: str) -> None:
    """Say that it runs, then wait for a file called ``go``."""
    (Path(folder) / f"{name}.running").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.02)
    (Path(folder) / name).write_text("done", encoding="utf-8")


@flow(name="failing", persist_result=False)
def failing(folder: str, name: str) -> None:
    """Fail."""
    raise InvalidAudio("It is broken.")


@flow(name="letting_go", persist_result=False)
def letting_go(folder: str, name: str) -> None:
    """Find that somebody else has the job."""
    let_go("Another attempt has it.")


@flow(name="breaking", persist_result=False)
def breaking(folder: str, name: str) -> None:
    """Break the engine itself."""
    raise SystemExit(3)


@flow(name="with_runtime", persist_result=False)
def with_runtime(folder: str, name: str) -> None:
    """Use the worker's runtime."""
    (Path(folder) / name).write_text(str(current().settings.data_dir), encoding="utf-8")
