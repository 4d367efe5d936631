"""When exactly each word is spoken, and how it is written: steps on a file's words, where the job asks for them."""

from __future__ import annotations

from engine.slots import standing
from pipeline.align import Aligning
from pipeline.observer import go_on
from pipeline.punctuate import punctuate_segments
from speech.jobs import Stage
from tasks.steps import HOURS, step
from tasks.work import FileWork


def align(work: FileWork) -> None:
    """Give the words their times anew, or give times to the words of the job's own text."""
    if work.request.alignment.enabled:
        _align(work)


def punctuate(work: FileWork) -> None:
    """Write the words with marks and capitals."""
    if work.request.punctuation.enabled and work.segments:
        _punctuate(work)


@step("align", 24 * HOURS)
def _align(work: FileWork) -> None:
    go_on(work.observer)
    aligner = work.runtime.registry.aligner(work.request, work.spoken)
    if aligner is None:
        return
    work.observer.progress(Stage.ALIGNING, 0.0)
    aligning = Aligning(work.recording, aligner, work.steps, work.observer)
    script = work.request.script
    with work.clock.stage("align"), standing(work.standing):
        if script is not None:
            aligned = aligning.script(script, work.segments, work.language or work.spoken[0])
        else:
            aligned = aligning.segments(work.segments, work.language)
        work.segments, work.warnings = aligned.segments, aligned.warnings


@step("punctuate", 24 * HOURS)
def _punctuate(work: FileWork) -> None:
    go_on(work.observer)
    punctuator = work.runtime.registry.punctuator(work.request, work.spoken)
    if punctuator is None:
        return
    work.observer.progress(Stage.PUNCTUATING, 0.0)
    written_in = "en" if work.request.task == "translate" else work.language
    with work.clock.stage("punctuate"):
        work.segments = punctuate_segments(
            work.owner_id, work.segments, punctuator, written_in, work.steps, work.observer
        )
