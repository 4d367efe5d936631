"""Figures: percentiles, and tables that show each beside its bound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, and what the project asks it to be at most; None where nothing is asked."""

    value: float
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the bound holds, or there is none."""
        return self.at_most is None or self.value <= self.at_most


Figures = dict[str, Figure]
"""By what they are figures of, with the unit: ``POST to first line p50 ms``."""


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds that the call took, and what it gave."""
    began = time.perf_counter()
    outcome = work()
    return (time.perf_counter() - began) * 1000, outcome


def spread(name: str, seconds: Iterable[float], **bounds: float) -> Figures:
    """p50, p95 and the largest of durations, in milliseconds; ``bounds`` such as ``p95=450`` are milliseconds too."""
    values = [value * 1000 for value in seconds]
    found = {"p50": percentile(values, 50), "p95": percentile(values, 95), "max": max(values)}
    if "p99" in bounds:
        found["p99"] = percentile(values, 99)
    return {f"{name}, {label} ms": Figure(value, bounds.get(label)) for label, value in found.items()}


def table(columns: Mapping[str, Figures]) -> str:
    """A table with a line for each figure and a column for each place where it was measured."""
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    lines = [f"| figure | {' | '.join(columns)} | at most | |", f"| --- | {'--- | ' * len(columns)}--- | --- |"]
    return "\n".join([*lines, *(_line(name, [figures.get(name) for figures in columns.values()]) for name in names)])


def _line(name: str, found: list[Figure | None]) -> str:
    measured = [figure for figure in found if figure is not None]
    bound = next((figure.at_most for figure in measured if figure.at_most is not None), None)
    cells = ["" if figure is None else _shown(figure.value) for figure in found]
    missed = not all(figure.holds for figure in measured)
    verdict = "" if bound is None else "**missed**" if missed else "holds"
    return f"| {name} | {' | '.join(cells)} | {'' if bound is None else _shown(bound)} | {verdict} |"


def _shown(value: float) -> str:
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
