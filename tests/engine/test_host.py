"""Cores and memory as the kernel and control groups allow them, on trees of files like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.host import total_memory, usable_cores

GIB = 1024**3


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal:       16777216 kB\nMemFree:        1 kB\n"}


@pytest.mark.parametrize(
    ("files", "gib"),
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/user/me\n", "sys/fs/cgroup/user/me/memory.max": "max\n"}, 16),
        ({"proc/self/cgroup": "0::/user/me\n", "sys/fs/cgroup/user/me/memory.max": f"{2 * GIB}\n"}, 2),
        # a limit further up holds too
        ({"proc/self/cgroup": "0::/user/me\n", "sys/fs/cgroup/user/memory.max": f"{3 * GIB}\n"}, 3),
        # as seen from inside a container: the group's own folder is the mount
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{4 * GIB}\n"}, 4),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
                "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": f"{GIB}\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/1\n",
                "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "9223372036854771712\n",
            },
            16,
        ),
        ({"proc/self/cgroup": "nonsense\n"}, 16),
    ],
)
def test_memory_is_the_least_of_the_machine_s_and_the_limits(tmp_path: Path, files: dict[str, str], gib: int) -> None:
    assert total_memory(_tree(tmp_path, MEMINFO | files)) == gib * GIB


def test_memory_without_the_kernel_s_files_is_the_machine_s(tmp_path: Path) -> None:
    assert total_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "10000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/b\n",
                "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/b\n",
                "sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
)
def test_cores_are_those_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert usable_cores(_tree(tmp_path, files)) == cores


def test_this_machine_has_a_core_and_memory() -> None:
    assert usable_cores() >= 1
    assert total_memory() > 100 * 1024**2
