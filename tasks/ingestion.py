"""The steps of a run at a source as Prefect tasks, and its report, which holds numbers and ids alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import ParamSpec
from uuid import UUID

import structlog
from prefect import Task
from prefect.artifacts import create_table_artifact

from orchestration.handover import asked_to_leave
from orchestration.wanted import Wish
from pipeline.handback import settle_ended
from pipeline.ingestion import submit_new as submit
from pipeline.runtime import Runtime
from pipeline.source import LeavingSource, Source, SourceStopped
from speech.errors import SpeechError, UnexpectedError
from speech.ingestion import RunStatus
from tasks.retrying import as_task
from tasks.work import StepFailed

log = structlog.get_logger(__name__)

P = ParamSpec("P")
RETRIES = 2


class SourceWork:
    """One run at one source. A plain class: Prefect walks into dataclasses that tasks are given."""

    def __init__(self, runtime: Runtime, ingest_id: str, flow_run_id: str) -> None:
        """Begin it; Missing when the source was deleted."""
        self.runtime = runtime
        wish = Wish(runtime.settings, UUID(flow_run_id))
        ingest = runtime.wait(runtime.store.ingests.named(ingest_id))
        self.source = Source(runtime, ingest, asked_to_leave, lambda: runtime.loop.wait(wish.over()))
        self.run_id = runtime.wait(runtime.store.ingest_runs.begin(self.source.ingest, flow_run_id))
        self.failure: SpeechError | None = None

    def conclude(self) -> str | None:
        """Keep how it went; the code of what kept it from its end, None when nothing did."""
        status = RunStatus.COMPLETED if self.failure is None else RunStatus.FAILED
        error = (self.failure.message, self.failure.code) if self.failure is not None else (None, None)
        self.runtime.wait(self.runtime.store.ingest_runs.end(self.run_id, status, self.source.counts, *error))
        return error[1]

    def stop(self, reason: SourceStopped) -> None:
        """Keep how far it came, and why no further."""
        ended = (self.run_id, RunStatus.FAILED, self.source.counts, reason.sentence, reason.code)
        self.runtime.wait(self.runtime.store.ingest_runs.end(*ended))

    def keep(self) -> None:
        """Keep what was counted so far."""
        self.runtime.wait(self.runtime.store.ingest_runs.count(self.run_id, self.source.counts))

    def do(self, work: Callable[[], None]) -> None:
        """Keep here what goes wrong, and let Prefect, which stores what errors say, hear its code only.

        Raises:
            StepFailed: then.
            LeavingSource, SourceStopped: when the worker wants to leave, or nobody wants the run.

        """
        try:
            work()
        except (LeavingSource, SourceStopped):
            raise
        except SpeechError as error:
            self.failure = error
        except Exception as error:
            log.exception("unexpected error in a run of an ingest")
            self.failure = UnexpectedError(f"The server met an unexpected error ({type(error).__name__}).")
        else:
            self.failure = None
            return
        finally:
            self.keep()
        raise StepFailed(self.failure.code, self.failure.retryable)


def step(name: str) -> Callable[[Callable[P, None]], Task[P, None]]:
    """Make a function a task: its name in Prefect."""

    def made(function: Callable[P, None]) -> Task[P, None]:
        return as_task(name, function, RETRIES)

    return made


@step("hand back")
def hand_back(work: SourceWork, try_failed_again: bool) -> None:
    """Write the results of jobs that have ended, then move or tag their sources."""
    work.do(lambda: settle_ended(work.source, try_failed_again=try_failed_again))


@step("submit new")
def submit_new(work: SourceWork) -> None:
    """Go through the source, and give every new version of an object its job."""
    work.do(lambda: submit(work.source))


def report(work: SourceWork) -> None:
    """The table that Prefect shows of the run: what was counted, and no names."""
    counted = [{"what": name.replace("_", " "), "objects": count} for name, count in asdict(work.source.counts).items()]
    ids = f"Ingest `{work.source.ingest.ingest_id}`, run `{work.run_id}`."
    with suppress(Exception):  # a report that Prefect does not take must not fail the run; the row has it too
        create_table_artifact(counted, key=f"ingest-{work.source.ingest.ingest_id}".lower(), description=ids)
