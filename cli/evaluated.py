"""What `woa evaluate` shows of a result, and of how it differs from another: in tables, or as JSON without texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.terminal import emit, emit_json, table
from pipeline.evaluation.comparison import Comparison, Tolerance
from pipeline.evaluation.page import page
from pipeline.evaluation.results import Result, how_measured
from pipeline.evaluation.writing import (
    DIFFERENCE_HEADINGS,
    HEADINGS,
    conclusion,
    difference_rows,
    left_out,
    notes,
    summary_rows,
    verdict,
)


def write_page(path: Path, result: Result, comparison: Comparison | None, tolerance: Tolerance) -> None:
    """Write the page with plots."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(result, comparison, tolerance), encoding="utf-8")


def show(result: Result, comparison: Comparison | None, tolerance: Tolerance, *, as_json: bool) -> None:
    """Print the figures, and what changed when there is a comparison."""
    if as_json:
        emit_json(_figures(result, comparison, tolerance))
        return
    emit(table(HEADINGS, summary_rows(result)))
    for note in notes(result):
        emit(note)
    emit(how_measured(result.conditions))
    if comparison is not None:
        _show_changes(comparison, tolerance)


def _show_changes(comparison: Comparison, tolerance: Tolerance) -> None:
    emit(f"\n{table(DIFFERENCE_HEADINGS, difference_rows(comparison, tolerance))}")
    for each in [change for change in comparison.files if change.change > 0][:10]:
        emit(f"{each.key}: {each.measure.title} {each.before:g} → {each.after:g} of {each.units:g}")
    for note in left_out(comparison):
        emit(note)
    emit(conclusion(comparison, tolerance))


def _figures(result: Result, comparison: Comparison | None, tolerance: Tolerance) -> dict[str, Any]:
    texts = {"reference", "hypothesis"}
    found: dict[str, Any] = result.model_dump(mode="json", exclude={"files": {"__all__": texts}})
    if comparison is not None:
        found["comparison"] = _compared(comparison, tolerance)
    return found


def _compared(comparison: Comparison, tolerance: Tolerance) -> dict[str, Any]:
    return {
        "passes": comparison.passes(tolerance),
        "conclusion": conclusion(comparison, tolerance),
        "paired": comparison.paired,
        "unpaired": list(comparison.unpaired),
        "failed_before": list(comparison.failed_before),
        "broken": list(comparison.broken),
        "differences": [
            {
                "of": each.group,
                "measure": each.measure.name,
                "before": each.before,
                "after": each.after,
                "difference": each.value,
                "low": each.interval.low if each.interval else None,
                "high": each.interval.high if each.interval else None,
                "recordings": each.files,
                "verdict": verdict(each, tolerance),
            }
            for each in comparison.differences
        ],
        "recordings": [
            {
                "key": each.key,
                "measure": each.measure.name,
                "before": each.before,
                "after": each.after,
                "of": each.units,
            }
            for each in comparison.files
        ],
    }
