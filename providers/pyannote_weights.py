"""Which networks tell speakers apart here: those of the settings, where they lie, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from providers.context import ProviderContext
from providers.role import Availability
from speech.errors import ModelNotFound
from weights.entries import WORKING_BYTES, CatalogEntry
from weights.layouts import PYANNOTE_PIPELINE, VOICE_NETWORKS, layout_of

COMMUNITY = "pyannote-community-1"
_HUB_NAMES = {"pyannote/speaker-diarization-community-1": COMMUNITY}
_KINDS = (VOICE_NETWORKS, PYANNOTE_PIPELINE)
_PACKAGES = ("torch", "torchaudio", "pyannote.audio")


@dataclass(frozen=True, slots=True)
class VoiceWeights:
    """Networks on disk. ``sha256s`` are the hashes of files that the catalog pins, by name."""

    folder: Path
    digest: str
    memory_bytes: int
    sha256s: tuple[tuple[str, str], ...] = ()

    @property
    def pipeline(self) -> bool:
        """Whether a file beside the networks says how they are used."""
        return layout_of(self.folder) is PYANNOTE_PIPELINE


class WeightChoice:
    """The networks that ``WOA_DIARIZATION_MODEL`` names."""

    def __init__(self, context: ProviderContext) -> None:
        asked = context.settings.diarization_model
        self._name = _HUB_NAMES.get(asked, asked)
        self._settings = context.settings
        self._store = context.weights

    def fetch(self) -> VoiceWeights:
        """The networks, pulled first when they are absent.

        Raises:
            ModelNotFound: when the settings name none.
            ModelUnavailable, StorageFull: when they cannot be had now.

        """
        folder = self._store.path(self._name)
        entry = self._store.entry(self._name)
        size = entry.memory_bytes(4) if entry else _bytes_of(folder) + WORKING_BYTES
        return VoiceWeights(folder, self._store.digest(self._name), size, _pinned(entry))

    def availability(self) -> Availability:
        """Whether packages and weights are here, or can be had."""
        missing = [name for name in _PACKAGES if not _importable(name)]
        if missing:
            return Availability(
                False, f"{' and '.join(missing)} cannot be imported.", "pip install 'world-of-asr[diarization]'"
            )
        try:
            self._store.check(self._name)
        except ModelNotFound as error:
            return Availability(False, error.message, "Mend WOA_DIARIZATION_MODEL.")
        if self._store.installed(self._name):
            return self._of_right_kind()
        entry = self._store.entry(self._name)
        return _obtainable(entry, self._settings.offline, self._settings.hub_token is not None)

    def _of_right_kind(self) -> Availability:
        return Availability(True) if layout_of(self._store.path(self._name)) in _KINDS else _OF_NO_USE


_OF_NO_USE = Availability(
    False,
    "WOA_DIARIZATION_MODEL names no model that tells speakers apart.",
    "Set WOA_DIARIZATION_MODEL to pyannote, pyannote-community-1 or a folder with a pipeline of pyannote.audio 4.",
)


def _obtainable(entry: CatalogEntry | None, offline: bool, token: bool) -> Availability:
    """Whether weights that are not on disk could be pulled when a job needs them."""
    if entry is None or entry.layout not in _KINDS:
        return _OF_NO_USE
    if entry.wheels is not None and find_spec("pip") is not None:
        return Availability(True)
    if entry.hub is None:
        return Availability(False, "Its weights are not here, and this Python has no pip to fetch them.", _pull(entry))
    if offline:
        return Availability(False, "Its weights are not here, and the server is told to stay offline.", _pull(entry))
    if not token:
        return Availability(
            False,
            f"Its weights are given to those only who accepted the conditions of {entry.hub.repository}.",
            "Accept them on the model hub and set WOA_HUB_TOKEN, or set WOA_DIARIZATION_MODEL=pyannote.",
        )
    return Availability(True)


def _pull(entry: CatalogEntry) -> str:
    return f"Run `woa models pull {entry.name}` where they can be fetched, and copy the folder."


def _pinned(entry: CatalogEntry | None) -> tuple[tuple[str, str], ...]:
    if entry is None:
        return ()
    from_wheels = tuple((file.name, file.sha256) for file in entry.wheels.files) if entry.wheels else ()
    return (*from_wheels, *(entry.hub.sha256s if entry.hub else ()))


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # the parent is missing
        return False


def _bytes_of(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in PYANNOTE_PIPELINE.loaded if (folder / name).is_file())
