"""The files of an ONNX model of punctuation: the network, its vocabulary, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from speech.errors import ModelNotFound, ModelUnavailable
from speech.settings import Settings
from weights.manifest import digest_of, sha256_of
from weights.snapshots import Snapshot

PATTERNS = ("*.onnx", "*.model", "config.yaml")
_CONFIG = "config.yaml"
_SHORTEST = 8
_NEEDED = ("languages", "max_length", "pre_labels", "post_labels")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A folder with one ``*.onnx``, one ``*.model`` of SentencePiece and ``config.yaml``."""

    folder: Path
    network: str
    vocabulary: str
    languages: tuple[str, ...]
    max_length: int
    """Pieces of words that the network sees at once, the two that begin and end the text among them."""

    @classmethod
    def found(cls, folder: Path) -> ModelFiles:
        """The files of a folder.

        Raises:
            ModelNotFound: when it holds no such model, or several.

        """
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        networks = [name for name in names if name.endswith(".onnx")]
        vocabularies = [name for name in names if name.endswith(".model")]
        if len(networks) != 1 or len(vocabularies) != 1 or _CONFIG not in names:
            raise ModelNotFound(
                f"{folder} holds no model of punctuation: it needs one .onnx, one .model and {_CONFIG}.",
                "punctuation.provider",
            )
        return cls(folder, networks[0], vocabularies[0], *_said(folder / _CONFIG))

    def digest(self) -> str:
        """``sha256:...`` over the three files."""
        return digest_of({name: sha256_of(self.folder / name) for name in (self.network, self.vocabulary, _CONFIG)})

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Names, sizes and times: another state may be another model."""
        paths = [self.folder / name for name in (self.network, self.vocabulary, _CONFIG)]
        return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)

    @property
    def memory_bytes(self) -> int:
        """About what the model takes when it is loaded."""
        return int((self.folder / self.network).stat().st_size * 1.5) + 50_000_000


def place(settings: Settings) -> Path | None:
    """Where the model that the settings name lies, or will; None where they name none."""
    if settings.punctuation_model is None:
        return None
    snapshot = Snapshot.named(settings.punctuation_model)
    return snapshot.folder(settings.models) if snapshot else Path(settings.punctuation_model).expanduser().absolute()


def ready(settings: Settings) -> ModelFiles:
    """The model that the settings name, pulled from the hub where they say so and it is not here.

    Raises:
        ModelNotFound: when there is none of that name.
        ModelUnavailable: when it cannot be fetched now.

    """
    folder = place(settings)
    if folder is None:
        raise ModelNotFound("WOA_PUNCTUATION_MODEL names no model.", "punctuation.provider")
    snapshot = Snapshot.named(settings.punctuation_model or "")
    if snapshot is not None:
        token = settings.hub_token.get_secret_value() if settings.hub_token else None
        folder = snapshot.pulled(settings.models, PATTERNS, token=token, offline=settings.offline)
    return ModelFiles.found(folder)


def _said(config: Path) -> tuple[tuple[str, ...], int]:
    try:
        said = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelUnavailable(f"{config} cannot be read.") from error
    if not isinstance(said, dict) or any(name not in said for name in _NEEDED):
        raise ModelNotFound(f"{config} does not say {', '.join(_NEEDED)}.", "punctuation.provider")
    length = said["max_length"]
    if not isinstance(length, int) or length < _SHORTEST:
        raise ModelNotFound(f"{config}: max_length is no number of at least {_SHORTEST}.", "punctuation.provider")
    return tuple(str(language).lower() for language in said["languages"]), length
