"""Flows that do next to nothing, for workers to run: they leave marks in a folder that their parameters name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from prefect import flow, task
from prefect.runtime import flow_run

from engine.slots import Standing, standing
from flows.attempt import begin
from orchestration.handover import asked_to_leave, let_go, meet_trouble, postpone
from speech.clock import now
from speech.errors import InvalidAudio
from speech.jobs import JobStatus
from speech.options import TranscribeRequest
from storage.projection import Projection
from tasks.current import current
from tasks.patience import MustWait


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


@flow(name="marking", persist_result=False)
def marking(folder: str, name: str, job_id: str) -> None:
    """Leave a mark for a job."""
    (Path(folder) / f"{name}.step").touch()


@flow(name="beginning", persist_result=False)
def beginning(folder: str, name: str, job_id: str) -> None:
    """Begin the job as real runs do, say beside how many others, and end it when ``go`` is there."""
    runtime, here = current(), Path(folder)
    try:
        begin(runtime, job_id, 1, str(flow_run.id), again=False)
    except MustWait as reason:
        postpone(reason.seconds, reason.why, begun=reason.begun)
    (here / f"{name}.running").touch()
    beside = len(list(here.glob("*.running"))) - len(list(here.glob("*.over")))
    (here / f"{name}.beside").write_text(str(beside), encoding="utf-8")
    while not (here / "go").exists():
        time.sleep(0.02)
    (here / f"{name}.over").touch()
    over = Projection(JobStatus.FAILED, error="Over.", error_code="over", observed_at=now())
    runtime.wait(runtime.store.jobs.project(job_id, 1, over))


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


@flow(name="troubled", persist_result=False)
def troubled(folder: str, name: str, code: str = "storage_full", job_id: str = "") -> None:
    """Meet trouble of the worker's, unless that is ``mended``, and ask to be run again in a moment."""
    here = Path(folder)
    if not (here / "mended").exists():
        (here / f"{name}.met").touch()
        meet_trouble(code)
        postpone(0.1, "The worker is not well.", begun=False)
    (here / name).write_text("done", encoding="utf-8")


@flow(name="waiting_elsewhere", persist_result=False)
def waiting_elsewhere(folder: str, name: str) -> None:
    """Ask to be run again in a moment, the first time."""
    once = Path(folder) / "once"
    if not once.exists():
        once.touch()
        postpone(1.0, "The provider asks to wait.")


@flow(name="holding", persist_result=False)
def holding(folder: str, name: str) -> None:
    """Hold the device until ``go``."""
    with current().engine.slot():
        (Path(folder) / f"{name}.running").touch()
        while not (Path(folder) / "go").exists():
            time.sleep(0.02)


@flow(name="recognising", persist_result=False)
def recognising(folder: str, name: str) -> None:
    """Recognise ``audio.npy`` of the folder, as a job does; leave the moment at which that was done."""
    registry = current().registry
    request = TranscribeRequest(model="tiny.en")
    samples = np.load(Path(folder) / "audio.npy")
    with standing(Standing(1, name)):
        registry.get(request.provider).recognise(samples, registry.check(request))
    (Path(folder) / name).write_text(str(time.monotonic()), encoding="utf-8")


@flow(name="stepping", persist_result=False)
def stepping(folder: str, name: str) -> None:
    """Take step after step, for a minute at most."""
    for number in range(600):
        step(folder, f"{name}-{number:03}")
        time.sleep(0.1)


@flow(name="obliging", persist_result=False)
def obliging(folder: str, name: str, job_id: str) -> None:
    """Go on until ``go``, or until the worker wants the run back."""
    (Path(folder) / f"{name}.running").touch()
    while not (Path(folder) / "go").exists():
        if asked_to_leave():
            let_go("Its worker wants it back.")
        time.sleep(0.02)


@flow(name="sticking", persist_result=False)
def sticking(folder: str, name: str) -> None:
    """Hang until ``go``, the first time."""
    here = Path(folder)
    if not (here / "once").exists():
        (here / "once").touch()
        while not (here / "go").exists():
            time.sleep(0.02)
        if asked_to_leave():
            let_go("Its worker left it behind.")
