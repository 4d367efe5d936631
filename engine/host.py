"""What this machine has: cores and memory, as its kernel and its control groups allow them.

Control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
_UNLIMITED = 1 << 60
"""Control groups of version 1 write a number of this size where there is no limit."""


def total_memory(root: Path = ROOT) -> int:
    """Bytes of memory that this process may use at most: the machine's, or its control group's when that is less.

    Total, not free: what is decided from it must come out the same in every process of a host, at any time.
    """
    return min([_machine_memory(root), *_limits(root, "memory", "memory.max", "memory.limit_in_bytes")])


def usable_cores(root: Path = ROOT) -> int:
    """Cores that this process may use, at least one: its affinity, or its control group's quota when that is less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min([allowed, *quotas]))


def _machine_memory(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limits(root: Path, controller: str, unified: str, legacy: str) -> Iterator[int]:
    for folder in _groups(root, controller):
        for text in (_read(folder / unified), _read(folder / legacy)):
            if text.strip().isdigit() and 0 < int(text) < _UNLIMITED:
                yield int(text)


def _quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups that hold this process, innermost first, up to the mount."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if names and controller not in names.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (names and controller)
        inner = mount / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(mount))


def _read(path: Path) -> str:
    """The text of a file of the kernel; empty where this kernel has none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
