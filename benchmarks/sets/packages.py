"""Debian packages, fetched by name and unpacked into a folder, without being installed."""

from __future__ import annotations

import subprocess
from pathlib import Path


class PackageMissing(Exception):
    """apt-get does not give a package; the message says what to do."""


def unpacked(name: str, folder: Path) -> Path:
    """The files of a package, as they would lie below ``/``; fetched at the first call.

    Raises:
        PackageMissing: when apt-get cannot fetch it.

    """
    target = folder / name
    if target.is_dir():
        return target
    fetched = folder / "fetched" / name
    fetched.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", "-q", name], fetched, name)
    (package,) = fetched.glob("*.deb")
    part = folder / f".{name}.part"
    _run(["dpkg-deb", "-x", str(package.absolute()), str(part.absolute())], folder, name)
    part.replace(target)
    return target


def _run(command: list[str], folder: Path, name: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PackageMissing(
            f"The Debian package {name} could not be fetched ({said}). Run `apt-get update`, and build on Debian 12."
        )
