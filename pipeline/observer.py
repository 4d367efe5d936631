"""Who watches a file being worked at: told of progress, asked whether to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from speech.errors import JobCancelled
from speech.jobs import Stage
from speech.transcript import Segment


class Observer(Protocol):
    """The ear of a job, a progress bar, or nobody."""

    def progress(self, stage: Stage, fraction: float) -> None:
        """``fraction`` in [0, 1] of ``stage`` is done. Called often: it must be cheap."""

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        """A piece of the recording was recognised, or found recognised; positions are the recording's."""

    def cancelled(self) -> bool:
        """Whether somebody asked to stop. Called often: it must be cheap."""


class Unobserved:
    """Nobody watches."""

    def progress(self, stage: Stage, fraction: float) -> None:
        """Nobody is told."""

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        """Nobody is told."""

    def cancelled(self) -> bool:
        """Nobody asks."""
        return False


@dataclass(frozen=True, slots=True)
class Share:
    """Watches a share of a stage's work, and tells the watcher of the whole how much of all is done.

    ``size`` of ``total`` are the share, ``before`` of them were done before, in any unit.
    """

    whole: Observer
    before: int
    size: int
    total: int

    def progress(self, stage: Stage, fraction: float) -> None:
        """What was before is done, and this fraction of the share."""
        self.whole.progress(stage, (self.before + fraction * self.size) / self.total)

    def piece_done(self, piece: int, segments: tuple[Segment, ...]) -> None:
        """Told on."""
        self.whole.piece_done(piece, segments)

    def cancelled(self) -> bool:
        """Whether the whole was."""
        return self.whole.cancelled()


def go_on(observer: Observer) -> None:
    """Raise JobCancelled when somebody asked to stop."""
    if observer.cancelled():
        raise JobCancelled("The job was cancelled.")
