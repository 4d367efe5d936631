"""Functions as Prefect tasks: tried again with backoff and jitter, but only for errors that say that it may help.

Tasks give Prefect nothing to store, and errors nothing to quote: no text may reach its database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

from prefect import State, Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.tasks import exponential_backoff

from tasks.work import StepFailed

P = ParamSpec("P")


def as_task(name: str, function: Callable[P, None], retries: int) -> Task[P, None]:
    """The function as a task of that name, tried again so often."""
    return task(
        name=name,
        persist_result=False,
        cache_policy=NO_CACHE,
        retries=retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=1),
        retry_jitter_factor=0.5,
        retry_condition_fn=worth_another_try,
    )(function)


def worth_another_try(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether the step failed in a way that may pass by itself. What is no failure, a cancellation say, is not."""
    try:
        state.result()
    except StepFailed as failure:
        return failure.retryable
    except Exception:  # noqa: BLE001 - whatever else ended the step was no failure of it, or is a bug
        return False
    return False
