"""pyannote's clusterings with bounds: of memory, and of the number of speakers where pyannote's own misses it.

As long as a recording has no more vectors than `EXACT`, everything is pyannote's own. Imported when the networks are
loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.pipelines.clustering import AgglomerativeClustering, VBxClustering

from providers.pyannote_loading import Networks
from providers.voice_clusters import Limits, cluster

EXACT = 4000
"""Vectors that pyannote's own linkage is given: 64 MB of distances, and about an hour of speech."""

_Array = NDArray[Any]


def bounded(networks: Networks) -> Any:
    """The clustering that the recipe names."""
    if networks.recipe.clustering == "VBxClustering":
        return _Thinned(networks.plda, metric="cosine")
    return _ByBlocks(metric="cosine")


class _ByBlocks(AgglomerativeClustering):  # type: ignore[misc]
    """Above `EXACT` vectors: blocks, then their centroids."""

    def cluster(
        self,
        embeddings: _Array,
        min_clusters: int | None = None,
        max_clusters: int | None = None,
        num_clusters: int | None = None,
    ) -> _Array:
        least, most = num_clusters or min_clusters or 1, num_clusters or max_clusters or len(embeddings)
        smallest = min(self.min_cluster_size, max(1, round(0.1 * len(embeddings))))
        if len(embeddings) <= EXACT:
            labels: _Array = super().cluster(
                embeddings, min_clusters=min_clusters, max_clusters=max_clusters, num_clusters=num_clusters
            )
            if least <= len(np.unique(labels)) <= most:
                return labels
            smallest = 1  # pyannote looked for clusters of its usual size only
        return cluster(_unit(embeddings), Limits(float(self.threshold), smallest, least, most))


class _Thinned(VBxClustering):  # type: ignore[misc]
    """Above `EXACT` vectors it learns from that many, evenly taken; all are assigned to what was learnt."""

    def filter_embeddings(self, *args: Any, **kwargs: Any) -> tuple[_Array, _Array, _Array]:
        vectors, windows, voices = super().filter_embeddings(*args, **kwargs)
        if len(vectors) <= EXACT:
            return vectors, windows, voices
        taken = np.linspace(0, len(vectors) - 1, EXACT).round().astype(np.int64)
        return vectors[taken], windows[taken], voices[taken]


def _unit(vectors: _Array) -> NDArray[np.float64]:
    wide: NDArray[np.float64] = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
