"""The steps of an evaluation as Prefect tasks, and its report: figures, languages and ids, and no text of anybody."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import structlog
from prefect import Task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import StateType

from engine.slots import Standing, standing
from orchestration.client import open_client
from orchestration.handover import asked_to_leave
from pipeline.evaluation.comparison import Comparison, Tolerance, check_scoring, compare
from pipeline.evaluation.local import InThisProcess
from pipeline.evaluation.results import MEASURES, FileResult, Result
from pipeline.evaluation.run import evaluate, normalisers_of
from pipeline.evaluation.shelf import ShelvedSet
from pipeline.evaluation.writing import conclusion, left_out, shown_change, shown_estimate, shown_interval, verdict
from pipeline.observer import Unobserved
from pipeline.runtime import Runtime
from speech.clock import now
from speech.errors import JobCancelled, SpeechError, UnexpectedError
from speech.options import Priority
from storage.submission import RANKS
from tasks.retrying import as_task
from tasks.work import StepFailed

log = structlog.get_logger(__name__)

OWNER = "evaluation"
SECONDS_BETWEEN_LOOKS = 5.0


class EvaluationWork:
    """One run over one set. A plain class: Prefect walks into dataclasses that tasks are given."""

    def __init__(self, runtime: Runtime, set_name: str, flow_run_id: str, tolerance: Tolerance) -> None:
        self.runtime = runtime
        self.set_name = set_name
        self.watch = RunWatch(runtime, UUID(flow_run_id))
        self.name = f"{now():%Y%m%dT%H%M%SZ}-{flow_run_id[:8]}"
        self.tolerance = tolerance
        self.failure: SpeechError | None = None
        self.baseline: Result | None = None
        self.comparison: Comparison | None = None
        self.shelved: ShelvedSet
        self.result: Result

    def do(self, work: Callable[[], None]) -> None:
        """Keep here what goes wrong, and let Prefect, which stores what errors say, hear its code only.

        Raises:
            StepFailed: then.
            JobCancelled: when the run is to stop.

        """
        try:
            work()
        except JobCancelled:
            raise
        except SpeechError as error:
            self.failure = error
        except Exception as error:
            log.exception("unexpected error in an evaluation")
            self.failure = UnexpectedError(f"The server met an unexpected error ({type(error).__name__}).")
        else:
            return
        log.warning("an evaluation failed", code=self.failure.code, reason=self.failure.message)
        raise StepFailed(self.failure.code)

    def run(self) -> None:
        """Transcribe and score the set; on the device it stands where jobs of low priority do.

        What could not be compared in the end is refused before: a run takes hours.
        """
        self.shelved = ShelvedSet.find(self.runtime.settings.evaluation, self.set_name)
        chosen, plan = self.shelved.read()
        self.runtime.registry.check(plan.request)
        self.baseline = self.shelved.baseline
        if self.baseline is not None:
            check_scoring(self.baseline, plan.collar, normalisers_of(chosen))
        with standing(Standing(RANKS[Priority.LOW], OWNER)):
            self.result = evaluate(chosen, plan, InThisProcess(self.runtime, self.watch), _noted)

    def conclude(self) -> None:
        """Keep the result; compare it with the set's baseline, if it has one; write the page."""
        self.shelved.keep(self.name, self.result)
        if self.baseline is not None:
            self.comparison = compare(self.baseline, self.result)
        self.shelved.write_page(self.name, self.result, self.comparison, self.tolerance)

    @property
    def worse(self) -> bool:
        """Whether the run is worse than the baseline."""
        return self.comparison is not None and not self.comparison.passes(self.tolerance)


class RunWatch(Unobserved):
    """Asks now and then whether the run was cancelled in Prefect, and always whether the worker wants to leave."""

    def __init__(self, runtime: Runtime, run_id: UUID, clock: Callable[[], float] = time.monotonic) -> None:
        self._runtime, self._run_id, self._clock = runtime, run_id, clock
        self._looked_at = clock()
        self._cancelled = False

    def cancelled(self) -> bool:
        """Whether to stop."""
        moment = self._clock()
        if not self._cancelled and moment - self._looked_at >= SECONDS_BETWEEN_LOOKS:
            self._looked_at = moment
            with suppress(Exception):  # a Prefect server that is away for a moment cancels nothing
                self._cancelled = self._runtime.loop.wait(self._ask())
        return self._cancelled or asked_to_leave()

    async def _ask(self) -> bool:
        async with open_client(self._runtime.settings) as client:
            run = await client.read_flow_run(self._run_id)
        return run.state_type in (StateType.CANCELLING, StateType.CANCELLED)


def _noted(done: int, total: int, file: FileResult, error: Exception | None) -> None:
    if error is not None:
        reason = error.message if isinstance(error, SpeechError) else type(error).__name__
        log.warning("a recording of the set failed", recording=file.key, code=file.error, reason=reason)


def step(name: str) -> Callable[[Callable[[EvaluationWork], None]], Task[[EvaluationWork], None]]:
    """Make a function a task: its name in Prefect. An evaluation that breaks is not repeated by itself."""

    def made(function: Callable[[EvaluationWork], None]) -> Task[[EvaluationWork], None]:
        return as_task(name, function, 0)

    return made


@step("run set")
def run_set(work: EvaluationWork) -> None:
    """Transcribe and score each recording."""
    work.do(work.run)


@step("conclude")
def conclude(work: EvaluationWork) -> None:
    """Keep the result, compare, and write the page."""
    work.do(work.conclude)


def report(work: EvaluationWork) -> None:
    """What Prefect shows: a table of figures, and what changed since the baseline. The words stay in the folder."""
    key = re.sub(r"[^a-z0-9]+", "-", work.set_name.lower()).strip("-")
    with suppress(Exception):  # a report that Prefect does not take must not fail the run; the folder has it too
        said = f"Evaluation set `{work.set_name}`, result `{work.name}`."
        create_table_artifact(_figures(work.result), key=f"evaluation-{key}", description=said)
        if work.comparison is not None:
            create_markdown_artifact(_changes(work.comparison, work.tolerance), key=f"evaluation-{key}-changes")


def _figures(result: Result) -> list[dict[str, str | int]]:
    groups = [("all", result.overall), *result.languages.items()]
    return [
        {
            "language": name,
            "recordings": summary.files,
            "failed": summary.failed,
            **{each.title: shown_estimate(summary.figures.get(each.name), each) for each in MEASURES},
        }
        for name, summary in groups
    ]


def _changes(comparison: Comparison, tolerance: Tolerance) -> str:
    lines = [
        " ".join([conclusion(comparison, tolerance), *left_out(comparison)]),
        "",
        "| measure | of | difference | interval | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in comparison.differences:
        change = f"{each.value:+.2f}" if each.counted else shown_change(each.value, each.measure)
        shown = f"{change} | {shown_interval(each)} | {verdict(each, tolerance)}"
        lines.append(f"| {each.measure.title} | {each.group} | {shown} |")
    worse = [each for each in comparison.files if each.change > 0][:20]
    if worse:
        lines += ["", "Recordings with more errors: " + ", ".join(f"`{each.key}`" for each in worse)]
    return "\n".join(lines)
