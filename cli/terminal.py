"""What the command line says and where: results on standard output, everything else on standard error.

Bars are drawn on terminals only; elsewhere progress is a line now and then, which scripts and screen readers can take.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

STEP = 10
"""Percent between two lines of progress where no bar can be drawn."""


def emit(text: str) -> None:
    """A result."""
    shown = plain(text) if sys.stdout.isatty() else text
    sys.stdout.write(shown if shown.endswith("\n") else f"{shown}\n")
    sys.stdout.flush()


def emit_path(path: Path) -> None:
    """A file that was made, by its name as the file system has it, whatever bytes these are."""
    if sys.stdout.isatty():
        emit(_encodable(str(path)))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.buffer.flush()


def emit_json(data: Any) -> None:
    """A result for programs."""
    emit(_encodable(json.dumps(data, ensure_ascii=False, indent=2, default=str)))


def emit_line(data: Any) -> None:
    """A result for programs that read line by line."""
    emit(_encodable(json.dumps(data, ensure_ascii=False, default=str)))


def tell(text: str) -> None:
    """A word to the person in front."""
    sys.stderr.write(f"{plain(text)}\n")
    sys.stderr.flush()


def plain(text: str) -> str:
    """The text without what would steer a terminal: names of files and servers' words may hold anything."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _encodable(text: str) -> str:
    """Bytes of a name that are no UTF-8 as escapes, which JSON knows too."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def interactive(stream: TextIO) -> bool:
    """Whether a person with a terminal that can redraw a line looks at it."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def colours(stream: TextIO) -> bool:
    """Whether colours may be used."""
    return interactive(stream) and not os.environ.get("NO_COLOR")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in line, without frames: the same on a terminal, in a file and read aloud."""
    lines = [list(headings), *[[plain(cell).replace("\n", " ") for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "unknown"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def clock(seconds: float) -> str:
    """A position in audio: ``1:02.5``, ``1:00:02.5``."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


class Bar(Protocol):
    """Progress of one thing."""

    def update(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """``done`` of ``total``; a total of None is what was said before, or not known."""


@contextmanager
def bar(label: str, total: float | None = None) -> Iterator[Bar]:
    """Show progress on standard error while the block runs."""
    label = _encodable(plain(label))
    if not interactive(sys.stderr):
        yield LineBar(label, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=not colours(sys.stderr))
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield DrawnBar(progress, progress.add_task(label, total=total, note=""))


class DrawnBar:
    """A bar that is redrawn in place."""

    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task

    def update(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """See :class:`Bar`."""
        changes: dict[str, Any] = {"completed": done}
        if total is not None:
            changes["total"] = total
        if note is not None:
            changes["note"] = note
        self._progress.update(self._task, **changes)


class LineBar:
    """Progress as lines, one for each ten percent and for each new note."""

    def __init__(self, label: str, total: float | None) -> None:
        self._label, self._total = label, total
        self._said: tuple[int, str] = (-1, "")

    def update(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """See :class:`Bar`."""
        self._total = total if total is not None else self._total
        percent = int(100 * done / self._total) if self._total else 0
        saying = (percent // STEP * STEP, note if note is not None else self._said[1])
        if saying == self._said:
            return
        self._said = saying
        share = f" {saying[0]} %" if self._total else ""
        tell(f"{self._label}:{share}{f' ({saying[1]})' if saying[1] else ''}")
