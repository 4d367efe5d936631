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
from storage.steps import OF_VOICES, step_blob

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
    """Where finished steps are kept, by or for one job."""

    @property
    def own(self) -> str:
        """Part of the keys of what only this job is to find."""

    def recall(self, key: StepKey) -> bytes | None:
        """What was kept under the key, or None."""

    def keep(self, key: StepKey, outcome: bytes) -> None:
        """Keep an outcome; keeping it twice does no harm."""

    def let_go(self, step: str) -> None:
        """Let go of what this job kept under the step's name."""


class NoSteps:
    """Keeps nothing: for work in process, where nothing outlives the call."""

    own = ""

    def recall(self, key: StepKey) -> bytes | None:
        """Nothing, ever."""
        return None

    def keep(self, key: StepKey, outcome: bytes) -> None:
        """Let go of it."""

    def let_go(self, step: str) -> None:
        """There is nothing."""


@dataclass(frozen=True, slots=True)
class KeptSteps:
    """Steps in the blob store. ``register`` notes, before the bytes are written, who used a key, so that
    deletion finds it. With ``known`` only steps of which it says so are recalled: those of the job itself, say, which
    does everything anew, and nothing twice. ``release`` lets go of a step's outcomes by the step's name."""

    blobs: Blobs
    register: Callable[[StepKey], None]
    known: Callable[[StepKey], bool] | None = None
    own: str = ""
    release: Callable[[str], None] | None = None

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
        if key.step in OF_VOICES:
            # Who deleted a speaker between the two has let go of it before it was there.
            self.register(key)

    def let_go(self, step: str) -> None:
        """Let go of what the job kept of that step."""
        if self.release is not None:
            self.release(step)


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
