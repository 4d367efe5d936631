"""Which processes are killed, and when: a plan drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

AT_RANDOM = "at random"
CLAIM_START = "between claim and start"
WRITE_COMMIT = "between a result's write and its commit"
COMMIT_EVENT = "between commit and the run's end in Prefect"
END_SEEN = "between the run's end in Prefect and the job's"
MADE_TOLD = "between a run's making and its note"
SENT_NOTED = "between a webhook's sending and its note"
ACCEPTED_ANSWERED = "between a job's acceptance and its answer"

DECK = (
    ("worker", CLAIM_START),
    ("device", CLAIM_START),
    ("device", WRITE_COMMIT),
    ("worker", WRITE_COMMIT),
    ("device", COMMIT_EVENT),
    ("worker", COMMIT_EVENT),
    ("control", END_SEEN),
    ("control", MADE_TOLD),
    ("worker", SENT_NOTED),
    ("api", ACCEPTED_ANSWERED),
    *((role, AT_RANDOM) for role in ("device", "worker", "api", "control", "prefect")),
    *((role, AT_RANDOM) for role in ("device", "worker", "api", "control", "prefect")),
)
"""Twenty kills; more begin the deck anew."""
FIRST, LAST = 0.03, 0.75
"""The first and the last kill are due when that share of the jobs has ended; later, nothing is submitted any more."""
LONGEST_DELAY = 2.0
LONGEST_ABSENCE = 4.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: due when ``after`` jobs have ended, then at its moment, or ``delay`` seconds later when at random.

    The process stays away for ``absence`` seconds; a device process comes back when its worker says so.
    """

    role: str
    moment: str
    after: int
    delay: float
    absence: float
    choice: float
    """0..1: which of several processes it is."""

    def __str__(self) -> str:
        return f"{self.role} {self.moment}, due after {self.after} jobs"


def draw(seed: int, kills: int, jobs: int, *, only: str | None = None) -> Sequence[Kill]:
    """The plan of a seed; ``only`` moments and processes whose names contain that."""
    chance = random.Random(seed)
    cards = [card for card in DECK if only is None or only in " ".join(card)]
    deck = cards * -(-kills // len(cards))
    chance.shuffle(deck)
    dues = sorted(int(jobs * chance.uniform(FIRST, LAST)) for _ in range(kills))
    return [
        Kill(
            role,
            moment,
            after,
            delay=chance.uniform(0.0, LONGEST_DELAY),
            absence=chance.uniform(0.0, LONGEST_ABSENCE),
            choice=chance.random(),
        )
        for (role, moment), after in zip(deck, dues, strict=False)
    ]
