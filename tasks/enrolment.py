"""Listening to a take as a Prefect task."""

from __future__ import annotations

from functools import partial

import structlog

from engine.slots import Standing, standing
from orchestration.handover import asked_to_leave, meet_trouble
from pipeline.enrolment import Heard, listen
from pipeline.identify import space_of
from pipeline.observer import Unobserved
from pipeline.recording import stored_recording
from pipeline.runtime import Runtime
from speech.errors import Blame, JobCancelled, SpeechError
from speech.options import Priority
from storage.submission import RANKS
from storage.takes import ClaimedTake
from tasks.blame import blame_of, known
from tasks.patience import MustWait, wait_for
from tasks.retrying import as_task
from tasks.work import StepFailed

log = structlog.get_logger(__name__)

RETRIES = 2


class Attentive(Unobserved):
    """Nobody watches but the worker, who may want to leave."""

    def cancelled(self) -> bool:
        """Whether the worker asks for its runs back."""
        return asked_to_leave()


class TakeWork:
    """One take. A plain class: Prefect walks into dataclasses that tasks are given, and would meet the vector."""

    heard: Heard
    space: str
    failure: SpeechError

    def __init__(self, runtime: Runtime, claimed: ClaimedTake) -> None:
        self.runtime = runtime
        self.claimed = claimed

    def do(self) -> None:
        """Listen, and keep here what goes wrong: Prefect, which stores what errors say, hears its code only.

        Raises:
            StepFailed: then.
            JobCancelled: when the worker wants to leave.

        """
        try:
            self._listen()
        except JobCancelled:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its words must not reach Prefect
            self.failure = known(error, "an enrolment")
        else:
            return
        raise StepFailed(self.failure.code, self.failure.retryable)

    def _listen(self) -> None:
        runtime, claimed = self.runtime, self.claimed
        model = runtime.registry.voice_model()
        stored = runtime.wait(runtime.store.files.get(claimed.owner_id, claimed.file_id))
        with (
            stored_recording(runtime, stored) as recording,
            standing(Standing(RANKS[Priority.EXPRESS], claimed.owner_id)),
        ):
            self.heard = listen(recording, model, runtime.voice_activity, Attentive())
        self.space = space_of(model)


def _listen(work: TakeWork) -> None:
    work.do()


listen_to = as_task("listen", _listen, RETRIES)


def settle(work: TakeWork) -> bool:
    """Keep the vector; False when the take was deleted meanwhile."""
    keep = partial(work.runtime.store.takes.ready, work.claimed, work.heard.duration, work.heard.vector)
    return work.runtime.wait(keep(work.space))


def give_up(work: TakeWork) -> None:
    """Say why it cannot serve, unless that is the server's trouble, which passes.

    Raises:
        MustWait: then; the worker hears of what is its own trouble, and may take less.

    """
    runtime, error, takes = work.runtime, work.failure, work.runtime.store.takes
    blame = blame_of(error, runtime.registry)
    if blame is Blame.SERVER:
        meet_trouble(error.code)
    wait = wait_for(error, blame, work.claimed.waited, runtime.settings)
    if wait is None:
        runtime.wait(takes.failed(work.claimed, error))
        return
    runtime.wait(takes.put_off(work.claimed, wait))
    log.warning("a take waits", code=wait.code, reason=error.message, seconds=round(wait.seconds))
    raise MustWait(wait.seconds, f"It waits ({wait.code}).", begun=False)


def leave(work: TakeWork) -> None:
    """Leave it to the next worker, as if it had not been taken up here."""
    work.runtime.wait(work.runtime.store.takes.put_off(work.claimed))
