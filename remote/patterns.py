"""Which names a pattern means: as shells read it, in time that grows with the name and never faster.

``*.wav`` is of the name alone, at any depth. A pattern with a slash is of the whole path below the prefix, part by
part; ``**`` stands for any number of parts, none too.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path, without a slash at its beginning, is meant."""
    parts = tuple(part for part in pattern.split("/") if part)
    if len(parts) == 1 and "/" not in pattern and parts[0] != "**":
        return lambda path: fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)
    return lambda path: _matches(parts, path.split("/"))


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    reached = _resting(pattern, {0})
    for part in path:
        staying = {at for at in reached if at < len(pattern) and pattern[at] == "**"}
        going = {at + 1 for at in reached - staying if at < len(pattern) and fnmatch.fnmatchcase(part, pattern[at])}
        reached = _resting(pattern, staying | going)
    return len(pattern) in reached


def _resting(pattern: Sequence[str], reached: set[int]) -> set[int]:
    """Where one is as well, since ``**`` may stand for nothing."""
    for at, part in enumerate(pattern):
        if at in reached and part == "**":
            reached = reached | {at + 1}
    return reached
