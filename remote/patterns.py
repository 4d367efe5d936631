"""Which names a pattern means: as shells read it, in time that grows with the name and never faster.

``*.wav`` is of the name alone, at any depth. A pattern with a slash is of the whole path below the prefix, part by part;
``**`` stands for any number of parts, none too.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from functools import lru_cache


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a path, without a slash at its beginning, is meant."""
    parts = tuple(part for part in pattern.split("/") if part)
    if len(parts) == 1 and "/" not in pattern and parts[0] != "**":
        return lambda path: fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)
    return lambda path: _matches(parts, path.split("/"))


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    @lru_cache(maxsize=None)
    def fits(at: int, part: int) -> bool:
        if at == len(pattern):
            return part == len(path)
        if pattern[at] == "**":
            return fits(at + 1, part) or (part < len(path) and fits(at, part + 1))
        return part < len(path) and fnmatch.fnmatchcase(path[part], pattern[at]) and fits(at + 1, part + 1)

    return fits(0, 0)
