"""pyannote's pipeline as one job sees it: the shared networks, each call of which takes a turn on the device.

Imported when the networks are loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pyannote.audio import Inference
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.speaker_verification import PyannoteAudioPretrainedSpeakerEmbedding

from providers.pyannote_clustering import bounded
from providers.pyannote_loading import Networks

Turn = Callable[[], AbstractContextManager[None]]
"""Opens one turn on the device; raises JobCancelled when nobody waits for the result any more."""

CPU_WINDOWS = 4
"""Windows of one call of the segmentation network on a CPU: some tenths of a second, so that others get a turn."""
GPU_WINDOWS = 32


class _SegmentationInTurn(Inference):  # type: ignore[misc]
    def __init__(self, turn: Turn, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self._turn = turn

    def infer(self, chunks: torch.Tensor) -> Any:
        with self._turn():
            return super().infer(chunks)


class _EmbeddingInTurn(PyannoteAudioPretrainedSpeakerEmbedding):  # type: ignore[misc]
    def __init__(self, turn: Turn, networks: Networks) -> None:
        super().__init__(networks.embedding, device=networks.embedding.device)
        self.__dict__["min_num_samples"] = networks.shortest
        self._turn = turn

    def __call__(self, waveforms: torch.Tensor, masks: torch.Tensor | None = None) -> NDArray[np.float32]:
        with self._turn(), torch.inference_mode():
            heard = waveforms.to(self.device)
            weights = None if masks is None else masks.to(self.device)
            vectors: NDArray[np.float32] = self.model_(heard, weights=weights).cpu().numpy()
            return vectors


def pipeline_for_one_job(networks: Networks, turn: Turn) -> Any:
    """A `SpeakerDiarization` with the shared networks; cheap to make."""
    windows = CPU_WINDOWS if networks.segmentation.device.type == "cpu" else GPU_WINDOWS
    specifications = networks.segmentation.specifications
    pipeline = SpeakerDiarization(
        segmentation=networks.segmentation,
        embedding=networks.embedding,
        plda=networks.plda,
        clustering=networks.recipe.clustering,
        embedding_exclude_overlap=networks.recipe.exclude_overlap,
        # All voices of one window; on a GPU of many windows.
        embedding_batch_size=len(specifications.classes) * (windows if windows == GPU_WINDOWS else 1),
        segmentation_batch_size=windows,
    )
    pipeline._segmentation = _SegmentationInTurn(
        turn,
        networks.segmentation,
        duration=specifications.duration,
        step=pipeline.segmentation_step * specifications.duration,
        skip_aggregation=True,
        batch_size=windows,
    )
    pipeline._embedding = _EmbeddingInTurn(turn, networks)
    pipeline.clustering = bounded(networks)
    pipeline.instantiate(networks.recipe.settings)
    return pipeline
