"""Where results go: files that never replace one another, and none that was there before unless told so."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.inputs import Input


@dataclass
class Outputs:
    """Writes the formats of each input side by side under one stem.

    ``folder`` None means beside the input, or in the current folder for a URL. With ``overwrite`` files of earlier
    runs are replaced; those of this run never are.
    """

    folder: Path | None
    overwrite: bool = False
    _taken: set[Path] = field(default_factory=set)

    def write(self, source: Input, contents: Mapping[str, bytes]) -> list[Path]:
        """Write ``contents``, by file ending; the paths, in the same order. Each file appears whole or not at all."""
        folder = self.folder or (source.path.parent if source.path else Path())
        folder.mkdir(parents=True, exist_ok=True)
        paths = self._free(folder, source, list(contents))
        for path, content in zip(paths, contents.values(), strict=True):
            _replace(path, content)
        return paths

    def _free(self, folder: Path, source: Input, endings: list[str]) -> list[Path]:
        for stem in _stems(source.name):
            paths = [folder / f"{stem}.{ending}" for ending in endings]
            if all(self._may_write(path, source) for path in paths):
                self._taken.update(path.absolute() for path in paths)
                return paths
        raise AssertionError("stems never end")

    def _may_write(self, path: Path, source: Input) -> bool:
        if path.absolute() in self._taken or (source.path and path.absolute() == source.path.absolute()):
            return False
        return self.overwrite or not os.path.lexists(path)


def _stems(name: str) -> Iterator[str]:
    """``talk``, then with the ending of the input, then with a number: ``talk.mp3``, ``talk.mp3-2``."""
    stem = Path(name).stem or name
    yield stem
    if stem != name:
        yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
