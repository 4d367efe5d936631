"""The steps of the main job as Prefect tasks.

Retries with backoff and jitter, and only for errors that say of themselves that another try may help. What a step
yields is kept by the step itself under its own key (pipeline/steps.py), so a run that starts again repeats nothing.
Tasks give Prefect nothing to store, and errors nothing to quote: no text may reach its database.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from prefect import Task

from engine.slots import standing
from pipeline.assemble import assemble as assemble_transcript
from pipeline.assemble import laid_out
from pipeline.fetch import fetch as fetch_file
from pipeline.observer import go_on
from pipeline.prepare import prepare as prepare_recording
from pipeline.render import keep_transcript, render_early, with_stages
from speech.jobs import Stage
from tasks.retrying import as_task
from tasks.work import FileWork

RETRIES = 3
HOURS = 3600.0


W = TypeVar("W", bound=FileWork)


def step(name: str, seconds: float) -> Callable[[Callable[[W], None]], Task[[W], None]]:
    """Make a function a task: its name in Prefect, and how many seconds it may take.

    The time is kept by the observer that every step asks, not by Prefect, which cannot interrupt a thread. What goes
    wrong is kept by the work; Prefect hears its code.
    """

    def made(function: Callable[[W], None]) -> Task[[W], None]:
        @functools.wraps(function)
        def guarded(work: W) -> None:
            with work.discreetly(), work.observer.deadline(seconds):
                function(work)

        return as_task(name, guarded, RETRIES)

    return made


@step("fetch", 2 * HOURS)
def fetch(work: FileWork) -> None:
    """Bring the bytes of a URL into storage; those of an upload are there."""
    work.observer.progress(Stage.PREPARING, 0.0)
    stored = work.runtime.wait(work.runtime.store.files.get(work.owner_id, work.file.file_id))
    with work.clock.stage("fetch"):
        work.stored = fetch_file(work.runtime, stored, work.observer)


@step("prepare", 4 * HOURS)
def prepare(work: FileWork) -> None:
    """Decode, find the speech, cut it."""
    go_on(work.observer)
    work.observer.progress(Stage.PREPARING, 0.2)
    with work.clock.stage("prepare"):
        work.prepared = prepare_recording(
            work.recording,
            work.request.vad,
            work.runtime.settings.piece_seconds,
            work.runtime.voice_activity,
            work.steps,
            work.observer,
        )


@step("transcribe", 48 * HOURS)
def recognise(work: FileWork) -> None:
    """Recognise the pieces with the provider that was asked for."""
    work.observer.progress(Stage.TRANSCRIBING, 0.0)
    with work.clock.stage("transcribe"), standing(work.standing):
        work.recognised = work.recognising.all(work.options)
    work.segments = laid_out(work.prepared, work.recognised)


@step("assemble", HOURS)
def assemble(work: FileWork) -> None:
    """Make one transcript of the segments."""
    work.transcript = assemble_transcript(
        work.recording,
        work.prepared,
        work.recognised,
        work.segments,
        work.diarization,
        identities=work.identities,
        job_id=work.attempt.job.job_id,
        warnings=work.warnings,
    )


@step("render", HOURS)
def render(work: FileWork) -> None:
    """Write the files that were asked for, then commit: from here on the file is done."""
    go_on(work.observer)
    work.observer.progress(Stage.RENDERING, 0.0)
    with work.clock.stage("render"):
        files = render_early(work.transcript, work.request)
    transcript = with_stages(work.transcript, work.clock.seconds)
    row = keep_transcript(work.runtime.store.blobs, work.owner_id, work.attempt.token, transcript, files)
    commit = work.runtime.store.attempts.file_done(
        work.attempt,
        work.file.file_id,
        row,
        provider=work.recognised.provider,
        model=work.recognised.model,
        providers_tried=(work.recognised.provider,),
    )
    work.runtime.wait(commit)
