"""Which files a model consists of, by its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a kind of model, as paths below its folder.

    ``loaded`` are all that are ever read, and what the digest is made of; without ``needed`` a folder holds no such
    model.
    """

    name: str
    loaded: tuple[str, ...]
    needed: tuple[str, ...]

    def holds(self, folder: Path) -> bool:
        """Whether the folder holds at least what such a model cannot do without."""
        return all((folder / name).is_file() for name in self.needed)


WHISPER = Layout(
    "whisper",
    ("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json", "vocabulary.txt"),
    ("config.json", "model.bin"),
)
"""Whisper in the format of CTranslate2."""

VOICE_NETWORKS = Layout("voice_networks", ("segmentation.bin", "campplus.pt"), ("segmentation.bin", "campplus.pt"))
"""pyannote's segmentation-3.0 and the speaker embedding CAM++, which make a diarization pipeline together."""

PYANNOTE_PIPELINE = Layout(
    "pyannote_pipeline",
    (
        "config.yaml",
        "segmentation/pytorch_model.bin",
        "embedding/pytorch_model.bin",
        "plda/plda.npz",
        "plda/xvec_transform.npz",
    ),
    ("config.yaml", "segmentation/pytorch_model.bin", "embedding/pytorch_model.bin"),
)
"""A diarization pipeline as pyannote.audio 4 publishes them."""

LAYOUTS = (WHISPER, VOICE_NETWORKS, PYANNOTE_PIPELINE)


def layout_of(folder: Path) -> Layout | None:
    """The kind of model that a folder holds; None when it holds none."""
    return next((layout for layout in LAYOUTS if layout.holds(folder)), None)
