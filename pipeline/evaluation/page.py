"""The page of a run: one HTML file with figures, plots, what changed, where words differ; no script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from pipeline.evaluation.comparison import OVERALL, Comparison, Difference, FileChange, Tolerance
from pipeline.evaluation.page_style import STYLE
from pipeline.evaluation.plots import Mark, histogram, intervals
from pipeline.evaluation.results import MEASURES, FileResult, Measure, Result, how_measured
from pipeline.evaluation.words import side_by_side
from pipeline.evaluation.writing import (
    DIFFERENCE_HEADINGS,
    HEADINGS,
    conclusion,
    difference_rows,
    left_out,
    notes,
    shown,
    shown_change,
    shown_estimate,
    summary_rows,
)

WORST = 30
"""Recordings whose words are shown, those with the most errors first."""
CHANGED = 15


def page(result: Result, comparison: Comparison | None = None, tolerance: Tolerance | None = None) -> str:
    """The whole page; with what changed since another run, when there is a comparison."""
    title = f"Evaluation of {result.conditions.set_name}"
    parts = [
        f"<header><h1>{escape(title)}</h1>{_what(result)}</header>",
        _figures(result),
        *([] if comparison is None else _compared(comparison, tolerance or Tolerance())),
        *_plots(result),
        _every_file(result.files),
        _words(result.files),
        _conditions(result),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(f'{part}{chr(10)}' for part in parts if part)}</main>\n</body>\n</html>\n"
    )


def _what(result: Result) -> str:
    asked = result.conditions
    who = " ".join(part for part in (asked.provider, asked.model) if part)
    return f"<p>{escape(who)}, {escape(result.made_at)}, on {escape(asked.machine)}.</p>"


def _figures(result: Result) -> str:
    measured = [each for each in MEASURES if each.name in result.overall.figures]
    meanings = "".join(f"<dt>{each.title}</dt><dd>{escape(each.meaning)}</dd>" for each in measured)
    said = "".join(f"<li>{escape(note)}</li>" for note in notes(result))
    return _section(
        "Figures",
        _table("Rates, with their 95 % intervals in brackets", *_without_empty(HEADINGS, summary_rows(result)))
        + (f"<ul>{said}</ul>" if said else "")
        + f"<dl>{meanings}</dl><p>{escape(how_measured(result.conditions))}</p>",
    )


def _without_empty(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Without columns in which there is nothing but dashes."""
    kept = [place for place in range(len(headings)) if place == 0 or any(row[place] not in ("–", "") for row in rows)]
    return [headings[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _compared(comparison: Comparison, tolerance: Tolerance) -> Iterator[str]:
    passed = comparison.passes(tolerance)
    said = f'<p class="{"passed" if passed else "failed"}">{escape(conclusion(comparison, tolerance))}</p>'
    since = comparison.before
    of = f"Before: {since.conditions.provider or ''} {since.conditions.model or ''}, {since.made_at}."
    left = "".join(f"<p>{escape(each)}</p>" for each in left_out(comparison))
    table = _table("Differences; below zero is better", DIFFERENCE_HEADINGS, difference_rows(comparison, tolerance))
    yield _section("What changed", said + f"<p>{escape(of)}</p>" + left + table + _forest(comparison, tolerance))
    yield _section("Which recordings changed", _changed(comparison.files)) if comparison.files else ""


def _forest(comparison: Comparison, tolerance: Tolerance) -> str:
    marks = [
        _difference_mark(each, tolerance)
        for each in comparison.differences
        if each.measure.unit == "percent" and not each.counted
    ]
    if not marks:
        return ""
    title = "Difference in points, with its 95 % interval"
    return _figure(intervals(marks, title, "points", around_zero=True), title)


def _difference_mark(each: Difference, tolerance: Tolerance) -> Mark:
    low, high = (each.interval.low, each.interval.high) if each.interval else (None, None)
    return Mark(
        f"{each.measure.title}, {each.group}",
        100 * each.value,
        None if low is None else 100 * low,
        None if high is None else 100 * high,
        shown_change(each.value, each.measure),
        bad=not tolerance.allows(each),
    )


def _changed(changes: Sequence[FileChange]) -> str:
    worse = [each for each in changes if each.change > 0]
    better = sorted((each for each in changes if each.change < 0), key=lambda each: each.change)
    return _changes_table("Worse", _most(worse)) + _changes_table("Better", _most(better))


def _most(changes: Sequence[FileChange]) -> list[FileChange]:
    """Of each measure the largest."""
    return [
        each for measure in MEASURES for each in [change for change in changes if change.measure is measure][:CHANGED]
    ]


def _changes_table(caption: str, changes: Sequence[FileChange]) -> str:
    if not changes:
        return ""
    rows = [
        [each.key, each.measure.title, f"{each.before:g}", f"{each.after:g}", f"{each.units:g}", each.error or ""]
        for each in changes
    ]
    return _table(f"{caption}, errors before and after", ("recording", "measure", "before", "after", "of", ""), rows)


def _plots(result: Result) -> Iterator[str]:
    drawn = []
    for measure in MEASURES:
        marks = _language_marks(result, measure)
        if len(marks) > 1:
            title = f"{measure.title} by language, with its 95 % interval"
            drawn.append(_figure(intervals(marks, title, _unit(measure)), title))
    for measure in MEASURES:
        values = [found.errors / found.units for file in result.files if (found := measure.of(file)) and found.units]
        if measure.gates and len(values) > 4:
            scaled = [100 * value for value in values] if measure.unit == "percent" else values
            title = f"{measure.title} of each recording: how many have which"
            drawn.append(_figure(histogram(scaled, title, _unit(measure)), title))
    if drawn:
        yield _section("Plots", "".join(drawn))


def _unit(measure: Measure) -> str:
    return "percent" if measure.unit == "percent" else measure.title


def _language_marks(result: Result, measure: Measure) -> list[Mark]:
    factor = 100 if measure.unit == "percent" else 1
    marks = []
    for name, summary in [(OVERALL, result.overall), *result.languages.items()]:
        figure = summary.figures.get(measure.name)
        if figure is None or figure.value is None:
            continue
        low, high = (None if end is None else factor * end for end in (figure.low, figure.high))
        marks.append(Mark(name, factor * figure.value, low, high, shown_estimate(figure, measure)))
    return marks if len(result.languages) > 1 else []


def _every_file(files: Sequence[FileResult]) -> str:
    headings = ["recording", "seconds", *(each.title for each in MEASURES), "speakers found / there", "error"]
    rows = [_file_row(file) for file in files]
    table = _table("One line a recording", *_without_empty(headings, rows))
    return _section("Every recording", f"<details><summary>{len(files)} recordings</summary>{table}</details>")


def _file_row(file: FileResult) -> list[str]:
    rates = []
    for measure in MEASURES:
        found = measure.of(file)
        rates.append(shown(found.errors / found.units if found and found.units else None, measure))
    voices = f"{file.speakers_found} / {file.speakers}" if file.speakers is not None else "–"
    return [file.key, f"{file.seconds:.1f}", *rates, voices, file.error or ""]


def _words(files: Sequence[FileResult]) -> str:
    wrong = [file for file in files if file.words is not None and file.words.amounts.errors]
    worst = sorted(wrong, key=lambda file: -(file.words.amounts.errors if file.words else 0))[:WORST]
    if not worst:
        return ""
    legend = "<p>Normalised text. <del>Missing</del> in what was recognised, <ins>too much</ins> in it.</p>"
    return _section("Where the words differ", legend + "".join(_side_by_side(file) for file in worst))


def _side_by_side(file: FileResult) -> str:
    errors = int(file.words.amounts.errors) if file.words else 0
    text = " ".join(_passages(file.reference or "", file.hypothesis or ""))
    head = f"<h3>{escape(file.key)} <small>{errors} of {file.words.length if file.words else 0} words</small></h3>"
    return f'<article>{head}<p lang="{escape(file.language)}">{text}</p></article>'


def _passages(reference: str, hypothesis: str) -> Iterator[str]:
    for each in side_by_side(reference, hypothesis):
        if each.kind == "equal":
            yield escape(each.reference)
            continue
        if each.reference:
            yield f"<del>{escape(each.reference)}</del>"
        if each.hypothesis:
            yield f"<ins>{escape(each.hypothesis)}</ins>"


def _conditions(result: Result) -> str:
    asked = result.conditions
    libraries = ", ".join(f"{name} {number}" for name, number in asked.libraries.items())
    options = ", ".join(f"{name}={value}" for name, value in asked.request.items()) or "the defaults"
    rows = [
        ["set", f"{asked.set_name}, sha256 {asked.set_sha256}"],
        ["asked for", options],
        ["language", "each recording's own" if asked.language == "manifest" else asked.language],
        ["weights", asked.model_digest or "–"],
        ["program", f"{asked.program}; {libraries}"],
        ["machine", asked.machine],
    ]
    return _section("Conditions", _table("What the figures depend on", ("", ""), rows))


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _figure(drawing: str, caption: str) -> str:
    return f'<figure><figcaption>{escape(caption)}</figcaption><div class="plot">{drawing}</div></figure>'


def _table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' if heading else "<td></td>" for heading in headings)
    lines = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if any(headings) else ""
    return (
        f'<div class="table" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f"<table><caption>{escape(caption)}</caption>{top}<tbody>{lines}</tbody></table></div>"
    )
