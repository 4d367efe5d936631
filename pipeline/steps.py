"""Finished steps, kept under a key that names everything they depend on.

The key is a digest of: the owner, the step and its version, what the step was given, the adapter and engine versions,
the digest of the weights, and only those options that the step declares. So another output format finds the
recognition again, other weights or another owner do not. What is kept lies in the owner's folder of the blob store,
not in the orchestrator's: it holds text, and must go when the job's results go (docs/decisions/0003-steps.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from storage.blobs import Blobs
from storage.errors import BlobMissing
from storage.speakers import HEARD
from storage.steps import step_blob

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepKey:
    """Identity of one step's outcome for one owner."""

    owner_id: str
    step: str
    digest: str

    @property
    def name(self) -> str:
        """As it is noted of a job."""
        return f"{self.step}-{self.digest}"

    @property
    def blob_key(self) -> str:
        """Where the outcome lies."""
        return step_blob(self.owner_id, self.name)


def step_key(owner_id: str, step: str, version: int, **given: Any) -> StepKey:
    """The key of ``step`` at ``version``, given everything that its outcome depends on (JSON values)."""
    canonical = json.dumps([owner_id, step, version, given], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return StepKey(owner_id, step, hashlib.sha256(canonical.encode()).hexdigest())


class StepStore(Protocol):
    """Where finished steps are kept."""

    def recall(self, key: StepKey) -> bytes | None:
        """What was kept under the key, or None."""

    def keep(self, key: StepKey, outcome: bytes) -> None:
        """Keep an outcome; keeping it twice does no harm."""

    def forget(self, key: StepKey) -> None:
        """Let go of an outcome; that there is none is no error."""


class NoSteps:
    """Keeps nothing: for work in process, where nothing outlives the call."""

    def recall(self, key: StepKey) -> bytes | None:
        """Nothing, ever."""
        return None

    def keep(self, key: StepKey, outcome: bytes) -> None:
        """Let go of it."""

    def forget(self, key: StepKey) -> None:
        """There is none."""


@dataclass(frozen=True, slots=True)
class KeptSteps:
    """Steps in the blob store. ``register`` notes, before the bytes are written, who used a key, so that
    deletion finds it. With ``known`` only steps of which it says so are recalled: those of the job itself, say, which
    does everything anew, and nothing twice."""

    blobs: Blobs
    register: Callable[[StepKey], None]
    known: Callable[[StepKey], bool] | None = None

    def recall(self, key: StepKey) -> bytes | None:
        """What was kept under the key, or None."""
        if self.known is not None and not self.known(key):
            return None
        self.register(key)
        try:
            return self.blobs.read(key.blob_key)
        except BlobMissing:
            return None

    def keep(self, key: StepKey, outcome: bytes) -> None:
        """Write the outcome in one piece."""
        self.register(key)
        self.blobs.write(key.blob_key, outcome)
        if key.step == HEARD:
            # Who deleted a speaker between the two has let go of it before it was there.
            self.register(key)

    def forget(self, key: StepKey) -> None:
        """Remove the outcome's bytes; that the key was used stays noted, and does no harm."""
        self.blobs.delete(key.blob_key)


def run_step(steps: StepStore, key: StepKey, shape: TypeAdapter[T], work: Callable[[], T]) -> T:
    """The kept outcome of a step, or ``work`` done now and kept. An outcome that no longer reads is done again."""
    kept = steps.recall(key)
    if kept is not None:
        try:
            return shape.validate_json(kept)
        except ValueError:
            # Written by a version whose shape differs though its number does not, or damaged: work is the cure.
            kept = None
    outcome = work()
    steps.keep(key, shape.dump_json(outcome))
    return outcome
