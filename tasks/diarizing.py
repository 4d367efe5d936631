"""Who speaks: told beside the recognition, and put on its words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.futures import PrefectFuture

from engine.slots import standing
from pipeline.attribute import attribute
from pipeline.diarize import diarize as diarize_recording
from pipeline.identify import identify_for
from speech.jobs import Stage
from tasks.observer import SideObserver
from tasks.patience import MustWait
from tasks.steps import HOURS, step
from tasks.work import FileWork, StepFailed

LOOK_SECONDS = 0.5
"""How often whoever waits for the speakers says how far that is."""


@step("diarize", 24 * HOURS)
def diarize(work: FileWork) -> None:
    """Say who speaks when."""
    request = work.request
    diarizer = work.runtime.registry.diarizer(request, work.spoken)
    if diarizer is None:
        return
    with work.clock.stage("diarize"), standing(work.standing):
        work.diarization = diarize_recording(work.recording, request.diarization, diarizer, work.steps, work.observer)


@contextmanager
def speakers_beside(work: FileWork) -> Iterator[None]:
    """Tell the speakers apart, where that was asked for, while the block recognises; both have ended when it ends.

    A run that leaves the block to wait for its parts takes the speakers along: they are found kept when it comes back.

    Raises:
        StepFailed: when the speakers could not be told apart.

    """
    if not work.request.diarization.enabled:
        yield
        return
    ear = SideObserver(work.runtime, work.attempt, work.file.file_id, work.observer.until)
    aside = work.aside(ear)
    telling = diarize.submit(aside)
    try:
        yield
    except MustWait:
        # The parts say meanwhile how far the job is: what this says takes nothing back, and adds nothing.
        _wait(work, ear, telling, lambda: work.observer.progress(Stage.TRANSCRIBING, 0.0))
        raise
    except BaseException:
        ear.stopped.set()
        telling.wait()
        raise
    _join(work, aside, ear, telling)


def name_speakers(work: FileWork) -> None:
    """Put the speakers on segments and words, and find the names of those whom the owner has enrolled."""
    if work.diarization is None:
        return
    work.segments = attribute(work.segments, work.diarization)
    if work.request.diarization.identify:
        diarizer = work.runtime.registry.diarizer(work.request, work.spoken)
        model = work.runtime.registry.voice_model(diarizer.name if diarizer else None)
        work.identities = identify_for(work.runtime, work.owner_id, model, work.diarization.voices)


def _wait(work: FileWork, ear: SideObserver, telling: PrefectFuture[None], say: Callable[[], None]) -> None:
    """Wait for the speakers, however that ends; ``say`` is called now and then, and learns whether the job is ours."""
    ended = threading.Event()
    telling.add_done_callback(lambda _: ended.set())
    try:
        while not ended.wait(LOOK_SECONDS):
            say()
    except BaseException:  # another attempt has the job, say: then nobody needs the speakers here
        ear.stopped.set()
        ended.wait()
        raise


def _join(work: FileWork, aside: FileWork, ear: SideObserver, telling: PrefectFuture[None]) -> None:
    _wait(work, ear, telling, lambda: work.observer.progress(Stage.DIARIZING, ear.fraction))
    try:
        telling.result()
    except StepFailed:
        work.failure = aside.failure
        raise
    work.diarization = aside.diarization
    work.clock.seconds |= aside.clock.seconds
