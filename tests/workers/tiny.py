"""Flows that do next to nothing, for workers to run: they leave marks in a folder that their parameters name."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow, task


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
