"""Flows that do next to nothing, for workers to run: they leave marks in a folder that their parameters name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from prefect import flow, task

from orchestration.handover import let_go, postpone
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


@flow(name="poisonous", persist_result=False)
def poisonous(folder: str, name: str, job_id: str) -> None:
    """Wait until there is company and ``go``; then who is called poison kills the process, each time anew."""
    (Path(folder) / f"{name}.running").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.02)
    if name == "poison":
        (Path(folder) / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    while not (Path(folder) / "killed").exists():
        time.sleep(0.02)


@flow(name="stubborn", persist_result=False)
def stubborn(folder: str, name: str, job_id: str) -> None:
    """Go on whatever is asked, until ``go``."""
    with (Path(folder) / f"{name}.running").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not (Path(folder) / "go").exists():
        time.sleep(0.02)


@flow(name="hanging", persist_result=False)
def hanging(folder: str, name: str) -> None:
    """Stop the whole process, the first time."""
    once = Path(folder) / "once"
    if not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


@flow(name="waiting_elsewhere", persist_result=False)
def waiting_elsewhere(folder: str, name: str) -> None:
    """Ask to be run again in a moment, the first time."""
    once = Path(folder) / "once"
    if not once.exists():
        once.touch()
        postpone(1.0, "The provider asks to wait.")


@flow(name="stepping", persist_result=False)
def stepping(folder: str, name: str) -> None:
    """Take step after step, for a minute at most."""
    for number in range(600):
        step(folder, f"{name}-{number:03}")
        time.sleep(0.1)
