"""The names of our packages are ours alone, and everything is where it is looked for."""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def _top_level_names(distribution: importlib.metadata.Distribution) -> set[str]:
    names = set()
    for file in distribution.files or ():
        first = file.parts[0]
        if len(file.parts) > 1 and not first.endswith((".dist-info", ".data")):
            names.add(first)
        elif first.endswith((".py", ".so")):
            names.add(first.partition(".")[0])
    return names


def test_no_distribution_has_a_top_level_name_of_ours() -> None:
    clashes = {
        distribution.name: found
        for distribution in importlib.metadata.distributions()
        if distribution.name != PROJECT["project"]["name"] and (found := _top_level_names(distribution) & PACKAGES)
    }
    assert clashes == {}
    assert not PACKAGES & set(sys.stdlib_module_names)


def test_every_package_is_in_the_wheel_and_under_the_tools() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "examples"}
    tool = PROJECT["tool"]
    assert folders == PACKAGES
    assert set(tool["coverage"]["run"]["source"]) == PACKAGES
    assert set(tool["mypy"]["packages"]) == PACKAGES
    assert set(tool["importlinter"]["root_packages"]) == PACKAGES


def test_no_file_is_named_after_a_stdlib_module() -> None:
    ours = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path) for path in ours if path.stem in set(sys.stdlib_module_names) - {"__main__"}] == []


def test_locks_hold_exact_versions_and_no_addresses() -> None:
    for lock in (ROOT / "locks").glob("*.lock"):
        for line in lock.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert "==" in line.partition(";")[0], f"{lock.name}: {line}"
                assert "://" not in line
                assert "+" not in line.partition(";")[0], f"{lock.name}: {line}"
