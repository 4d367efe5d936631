"""Figures as people read them, in tables on a terminal, in Prefect and on the page: the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.evaluation.comparison import OVERALL, Comparison, Difference, Tolerance
from pipeline.evaluation.results import MEASURES, Estimate, Measure, Result, Summary

HEADINGS = ("", "recordings", "minutes", *(measure.title for measure in MEASURES))
DIFFERENCE_HEADINGS = ("measure", "of", "before", "after", "difference", "interval", "recordings", "")
MINUS = "\N{MINUS SIGN}"


def shown(value: float | None, measure: Measure) -> str:
    """``4.2 %``, ``0.131``, or a dash."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if measure.unit == "percent" else f"{value:.3f}"


def shown_estimate(estimate: Estimate | None, measure: Measure) -> str:
    """``4.2 % (3.1–5.4)``."""
    if estimate is None or estimate.value is None:
        return "–"
    text = shown(estimate.value, measure)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({_bare(estimate.low, measure)}–{_bare(estimate.high, measure)})"


def shown_change(value: float, measure: Measure) -> str:
    """With its sign; rates in points."""
    sign = "+" if value > 0 else MINUS if value < 0 else "±"
    return f"{sign}{_bare(abs(value), measure)}"


def _bare(value: float, measure: Measure) -> str:
    return f"{100 * value:.1f}" if measure.unit == "percent" else f"{value:.3f}"


def summary_rows(result: Result) -> list[list[str]]:
    """A row for all recordings and, where there are several, for each language."""
    rows = [_row(OVERALL, result.overall)]
    if len(result.languages) > 1:
        rows += [_row(language, summary) for language, summary in result.languages.items()]
    return rows


def _row(name: str, summary: Summary) -> list[str]:
    failed = f" ({summary.failed} failed)" if summary.failed else ""
    figures = [shown_estimate(summary.figures.get(measure.name), measure) for measure in MEASURES]
    return [name, f"{summary.files}{failed}", f"{summary.seconds / 60:.1f}", *figures]


def difference_rows(comparison: Comparison, tolerance: Tolerance) -> list[list[str]]:
    """A row for each measure and group."""
    return [_difference_row(each, tolerance) for each in comparison.differences]


def _difference_row(each: Difference, tolerance: Tolerance) -> list[str]:
    if each.counted:
        before, after, change, interval = f"{each.before:.2f}", f"{each.after:.2f}", f"{each.value:+.2f}", ""
    else:
        before, after = shown(each.before, each.measure), shown(each.after, each.measure)
        change, interval = shown_change(each.value, each.measure), shown_interval(each)
    return [each.measure.title, each.group, before, after, change, interval, str(each.files), verdict(each, tolerance)]


def shown_interval(each: Difference) -> str:
    """``-0.4 to +0.9``; empty where there is none."""
    if each.interval is None:
        return ""
    return f"{shown_change(each.interval.low, each.measure)} to {shown_change(each.interval.high, each.measure)}"


def verdict(each: Difference, tolerance: Tolerance) -> str:
    """What to think of a difference, in a word."""
    if not tolerance.allows(each):
        return "WORSE" if each.value > 0 else "not shown to be as good"
    if each.interval is not None and each.interval.high < 0:
        return "better"
    if each.interval is not None and each.interval.low > 0:
        return "worse, tolerated" if each.measure.gates else "slower"
    return "no difference shown"


def notes(result: Result) -> Iterator[str]:
    """What the table of figures does not say."""
    if result.overall.failed:
        yield f"{result.overall.failed} recordings failed and count as if nothing had been recognised in them."
    if result.overall.words_without_speaker is not None:
        yield f"Words without a speaker: {result.overall.words_without_speaker}."
    silent = sum(file.words is not None and not file.words.length for file in result.files)
    if silent:
        yield f"Words in the {silent} recordings in which nothing is said: {result.overall.words_where_none_were_said}."
    if result.overall.stages:
        stages = ", ".join(f"{name} {value:.3f}" for name, value in result.overall.stages.items())
        yield f"Seconds of work for a second of audio, by stage: {stages}."


def left_out(comparison: Comparison) -> Iterator[str]:
    """Which recordings the differences are not of."""
    if comparison.unpaired:
        yield f"{len(comparison.unpaired)} recordings are not in both runs, or not the same."
    if comparison.failed_before:
        yield f"{len(comparison.failed_before)} recordings failed in the earlier run, and are not compared."


def conclusion(comparison: Comparison, tolerance: Tolerance) -> str:
    """One sentence that says whether the later run is good enough, and on how many of its recordings that is known."""
    if comparison.broken:
        return f"Worse: {len(comparison.broken)} recordings fail that did not, or were not there, before."
    if comparison.lost:
        names = ", ".join(measure.title for measure in comparison.lost)
        return f"Not good enough: {names} was measured before, and is not any more."
    total = len(comparison.after.files)
    failures = comparison.failures(tolerance)
    if failures:
        names = ", ".join(f"{each.measure.title} ({each.group})" for each in failures)
        word = "Worse" if any(each.value > 0 for each in failures) else "Not shown to be as good"
        return f"{word}: {names}, on {comparison.compared} of {total} recordings."
    if comparison.incomplete(tolerance):
        return (
            f"Not shown to be as good: only {comparison.paired} of {total} recordings are the same in the earlier run."
        )
    return f"Good enough: nothing got worse beyond the tolerance, on {comparison.compared} of {total} recordings."
