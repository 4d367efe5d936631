"""Networks of pyannote.audio from files: never over the network, never by running what a file says.

pyannote's own `from_pretrained` takes any pickle, decides by parts of a path which library loads it, fetches a PLDA
whether one is needed or not, and reports to its maker. So the parts are loaded here and handed to its pipeline.
"""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.device import Device
from providers.pyannote_errors import translated
from providers.pyannote_weights import VoiceWeights
from providers.torchaudio_door import open_torchaudio
from speech.errors import ModelUnavailable
from weights.manifest import sha256_of

_log = logging.getLogger(__name__)
_ARCHITECTURES = "pyannote.audio.models."


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a pipeline uses its networks; ``settings`` are the values of its hyper-parameters."""

    clustering: str
    exclude_overlap: bool
    settings: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Networks:
    """What is in memory: pyannote's segmentation and embedding networks, its PLDA where it has one, and the recipe.

    ``shortest`` are the samples without which the embedding network gives no vector.
    """

    segmentation: Any
    embedding: Any
    plda: Any
    recipe: Recipe
    shortest: int


_AGGLOMERATIVE = Recipe(
    "AgglomerativeClustering",
    True,
    {
        # As pyannote/speaker-diarization-3.1 has them, but for the distance (0.7046 there, for another network): tuned
        # for CAM++ on the conversations that docs/evaluation.md describes.
        "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.82},
        "segmentation": {"min_duration_off": 0.0},
    },
)


def load(weights: VoiceWeights, device: Device) -> Networks:
    """The networks on the device.

    Raises:
        ModelUnavailable: when files are missing, broken or of a kind that is not known.
        ProviderUnavailable: when a package is missing, or the device has no memory or is lost.

    """
    with translated(loading=weights.folder):
        _import_library(device)
        return _pipeline(weights, device) if weights.pipeline else _voices(weights, device)


def _import_library(device: Device) -> None:
    # Looked at as it is imported; without it pyannote.audio reports what is diarized, and how long it is.
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # It warns about torchcodec, which it needs for files only, and about means of nothing, which it foresees.
    for module in (r"pyannote\.", r"torchaudio\.", r"numpy\._core", r"torch\.nn"):
        warnings.filterwarnings("ignore", module=module)
    if not open_torchaudio():
        _log.info("torchaudio is used without its compiled extension, which is made for another torch.")
    import torch

    import_module("pyannote.audio")
    if device.kind == "cpu":
        torch.set_num_threads(device.threads)


def _voices(weights: VoiceWeights, device: Device) -> Networks:
    """segmentation-3.0 and CAM++, with the recipe of pyannote/speaker-diarization-3.1, tuned."""
    from pyannote.audio.core.plda import PLDA

    from providers.campplus import CampPlus

    segmentation = _network(weights, "segmentation.bin")
    embedding = CampPlus(_unpickled(weights, "campplus.pt"))
    # The pipeline's constructor fetches a PLDA unless it is given one; this clustering never looks at it.
    return _placed(segmentation, embedding, PLDA.__new__(PLDA), _AGGLOMERATIVE, device)


def _pipeline(weights: VoiceWeights, device: Device) -> Networks:
    from pyannote.audio.core.plda import PLDA

    recipe = _recipe(weights.folder / "config.yaml")
    segmentation = _network(weights, "segmentation/pytorch_model.bin")
    embedding = _network(weights, "embedding/pytorch_model.bin")
    plda = PLDA.__new__(PLDA)
    if recipe.clustering == "VBxClustering":
        plda = PLDA(weights.folder / "plda" / "xvec_transform.npz", weights.folder / "plda" / "plda.npz")
    return _placed(segmentation, embedding, plda, recipe, device)


def _recipe(path: Path) -> Recipe:
    import yaml

    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    name, options = stored["pipeline"]["name"], stored["pipeline"].get("params", {})
    clustering = options.get("clustering", "VBxClustering")
    if name.rpartition(".")[2] != "SpeakerDiarization" or clustering not in _CLUSTERINGS:
        raise ModelUnavailable(
            f"{path} describes {name} with {clustering}; what is known is SpeakerDiarization with "
            f"{' or '.join(_CLUSTERINGS)}."
        )
    return Recipe(clustering, bool(options.get("embedding_exclude_overlap", False)), stored["params"])


_CLUSTERINGS = ("AgglomerativeClustering", "VBxClustering")


def _network(weights: VoiceWeights, name: str) -> Any:
    """The network that a checkpoint of pyannote.audio holds."""
    stored = _unpickled(weights, name)
    architecture = stored["pyannote.audio"]["architecture"]
    if not architecture["module"].startswith(_ARCHITECTURES):
        raise ModelUnavailable(f"{weights.folder / name} holds a network that is not pyannote.audio's own.")
    made = getattr(import_module(architecture["module"]), architecture["class"])
    known = inspect.signature(made.__init__).parameters
    network = made(**{key: value for key, value in stored["hyper_parameters"].items() if key in known})
    network.on_load_checkpoint(stored)
    left = network.load_state_dict(stored["state_dict"], strict=False)
    if left.missing_keys:
        raise ModelUnavailable(f"{weights.folder / name} lacks weights of its network.")
    return network


def _unpickled(weights: VoiceWeights, name: str) -> Any:
    """What a file of weights holds: tensors and plain descriptions; more only from files whose hash is known."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from torch.torch_version import TorchVersion

    path = weights.folder / name
    torch.serialization.add_safe_globals([Problem, Resolution, Specifications, TorchVersion])
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if dict(weights.sha256s).get(name) != sha256_of(path):
            raise ModelUnavailable(
                f"{path} holds more than weights and is none of the files that are known: it is not opened."
            ) from None
        return torch.load(path, map_location="cpu", weights_only=False)


def _placed(segmentation: Any, embedding: Any, plda: Any, recipe: Recipe, device: Device) -> Networks:
    import torch

    if not segmentation.specifications.powerset:
        raise ModelUnavailable("The segmentation network does not tell overlapping voices apart (powerset).")
    where = f"cuda:{device.index}" if device.kind == "cuda" and torch.cuda.is_available() else "cpu"
    for network in (segmentation, embedding):
        network.eval().to(torch.device(where))
    # Found out once, for each job would find it out anew by a dozen calls.
    shortest = getattr(embedding, "shortest", None) or _shortest(embedding)
    _ = segmentation.receptive_field
    return Networks(segmentation, embedding, plda, recipe, int(shortest))


def _shortest(embedding: Any) -> int:
    from pyannote.audio.pipelines.speaker_verification import PretrainedSpeakerEmbedding

    return int(PretrainedSpeakerEmbedding(embedding, device=embedding.device).min_num_samples)
