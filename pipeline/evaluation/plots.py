"""Plots as inline SVG: no script, no network, readable in light and dark, with a text for those who do not see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 720
_LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 150, 110, 30, 12, 34


@dataclass(frozen=True, slots=True)
class Mark:
    """One value with its interval; ``note`` stands beside it."""

    label: str
    value: float
    low: float | None
    high: float | None
    note: str
    bad: bool = False


def intervals(marks: Sequence[Mark], title: str, unit: str, *, around_zero: bool = False) -> str:
    """A row for each mark: a dot at its value, a line over its interval, on one scale that holds zero."""
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if end is not None]
    ticks = _ticks(min(0.0, *ends), max(0.0, *ends))
    scale = _Scale(ticks[0], ticks[-1])
    height = _TOP + _ROW * len(marks) + _BOTTOM
    body = [_grid(ticks, scale, height, unit)]
    if around_zero:
        body.append(_line(scale(0.0), _TOP, scale(0.0), height - _BOTTOM, "zero"))
    body += [_mark(mark, scale, _TOP + _ROW * (row + 0.5)) for row, mark in enumerate(marks)]
    described = "; ".join(f"{mark.label}: {mark.note}" for mark in marks)
    return _svg(body, height, title, described)


def histogram(values: Sequence[float], title: str, unit: str) -> str:
    """How many recordings have which value, in ten steps; what lies beyond the last step is in it."""
    top = _nice(sorted(values)[int(0.98 * (len(values) - 1))] or max(values) or 1.0)
    counts = [0] * 10
    for value in values:
        counts[min(9, int(10 * max(value, 0.0) / top))] += 1
    height, most = 200, max(counts)
    step = (WIDTH - 60 - 20) / 10
    body = []
    for place, count in enumerate(counts):
        tall = (height - 60) * count / most
        left, floor_ = 60 + place * step, height - 36
        body.append(
            f'<rect class="bar" x="{left + 1:.1f}" y="{floor_ - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}"/>'
        )
        if count:
            body.append(_text(left + step / 2, floor_ - tall - 5, str(count), "middle"))
    body += [_text(60 + place * step, height - 18, f"{top * place / 10:g}", "middle") for place in range(11)]
    body.append(_text(WIDTH / 2, height - 2, unit, "middle"))
    described = "; ".join(
        f"from {top * place / 10:g} to {top * (place + 1) / 10:g}{' and above' if place == 9 else ''}: {count}"
        for place, count in enumerate(counts)
        if count
    )
    return _svg(body, height, title, described)


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def __call__(self, value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (value - self.low) / (self.high - self.low)


def _mark(mark: Mark, scale: _Scale, y: float) -> str:
    kind = "mark bad" if mark.bad else "mark"
    parts = [_text(_LEFT - 10, y + 4, mark.label, "end")]
    if mark.low is not None and mark.high is not None:
        low, high = scale(mark.low), scale(mark.high)
        parts.append(_line(low, y, high, y, kind))
        parts += [_line(end, y - 5, end, y + 5, kind) for end in (low, high)]
    parts.append(f'<circle class="{kind}" cx="{scale(mark.value):.1f}" cy="{y:.1f}" r="5"/>')
    parts.append(_text(WIDTH - _RIGHT + 12, y + 4, mark.note.partition(" (")[0], "start"))
    return "".join(parts)


def _grid(ticks: Sequence[float], scale: _Scale, height: int, unit: str) -> str:
    lines = [_line(scale(tick), _TOP, scale(tick), height - _BOTTOM, "grid") for tick in ticks]
    numbers = [_text(scale(tick), height - _BOTTOM + 16, f"{tick:g}", "middle") for tick in ticks]
    return "".join([*lines, *numbers, _text(WIDTH - _RIGHT + 12, height - _BOTTOM + 16, unit, "start")])


def _ticks(low: float, high: float) -> list[float]:
    step = _nice((high - low) / 5 or 1.0)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, max(last, first + 1) + 1)]


def _nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not less."""
    power = 10.0 ** floor(log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value * 0.9999)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(body: Sequence[str], height: int, title: str, described: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}. {escape(described)}">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )
