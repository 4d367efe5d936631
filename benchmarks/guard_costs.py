"""What the steps around recognition cost beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pipeline.observer import Unobserved
from pipeline.punctuate import punctuate_segments
from pipeline.render import rendered
from pipeline.runtime import Runtime
from pipeline.steps import NoSteps
from speech.options import SubtitleOptions
from speech.transcript import Segment, Transcript

T = TypeVar("T")


@dataclass
class Costs:
    """Seconds on the clock and of the processor, by what they went into."""

    clock: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    def of(self, name: str, work: Callable[[], T]) -> T:
        """Do the work, and note what it cost."""
        clock, processor = time.perf_counter(), time.process_time()
        outcome = work()
        self.clock[name] = self.clock.get(name, 0.0) + time.perf_counter() - clock
        self.processor[name] = self.processor.get(name, 0.0) + time.process_time() - processor
        return outcome


def punctuated(costs: Costs, runtime: Runtime, segments: Sequence[Segment], language: str) -> None:
    """Set marks and capitals in the words without theirs."""
    punctuator = runtime.registry.punctuators.roster.get("offline")
    plain = tuple(
        replace(segment, text=segment.text.lower(), words=tuple(replace(w, text=bare(w.text)) for w in segment.words))
        for segment in segments
    )
    punctuator.punctuate(["so"], "en")  # its statistics are read once in the life of a process
    costs.of("punctuation", lambda: punctuate_segments("o", plain, punctuator, language, NoSteps(), Unobserved()))


def written(costs: Costs, segments: tuple[Segment, ...], duration: float) -> None:
    """Render them as files."""
    transcript = Transcript("t", None, None, "f", duration, None, None, "p", "m", None, segments)
    formats = ("json", "vtt", "srt", "txt")
    costs.of("rendering", lambda: [rendered(transcript, name, SubtitleOptions()) for name in formats])


def shares(costs: Costs) -> tuple[str, bool]:
    """What goes into the steps beside recognition, and whether that is little enough."""

    def share(of: dict[str, float]) -> float:
        return 100 * sum(of[name] for name in ("VAD", "guard", "punctuation", "rendering")) / of["recognition"]

    clock, processor = share(costs.clock), share(costs.processor)
    took = f"{clock:.1f} % of its time on the clock, {processor:.1f} % of its processor time"
    each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in costs.clock.items())
    verdict = "holds" if clock < 10 else "**missed**"
    return (
        "**VAD, guard, offline punctuation and rendering beside recognition** (base, beam 5): "
        f"{took}; less than 10 % is asked for: {verdict}. {each}.",
        clock < 10,
    )


def bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("'", "")))
