"""Clusters of voices in bounded memory: blocks first, then the blocks' centroids, each with the weight of its vectors.

Agglomerative clustering of all vectors needs memory by the square of their number: a recording of three hours has ten
thousand. Vectors of a block are merged to some dozens of centroids, and those are merged over the whole recording by
the same rule (centroid linkage).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 1000
"""Vectors that are merged with each other first: memory goes with their square."""
CENTROIDS = 2048
"""Centroids of all blocks together, at most."""
_FEWEST = 8

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Limits:
    """When clusters are apart and how many there are.

    Two whose centroids are nearer than ``distance`` are one; one of fewer vectors than ``smallest`` joins the nearest
    that is larger; there are between ``least`` and ``most`` of those, as far as there are vectors.
    """

    distance: float
    smallest: int
    least: int
    most: int


def cluster(vectors: Floats, limits: Limits) -> Labels:
    """The cluster of each unit vector, shape (vectors,), numbers from 0 without gaps.

    Args:
        vectors: unit vectors in the order of time, shape (vectors, dimension).
        limits: when they are apart.

    """
    members = _merged_by_blocks(vectors)
    weights = np.bincount(members).astype(np.float64)
    centroids = np.stack([vectors[members == index].mean(axis=0) for index in range(len(weights))])
    history = _history(centroids, weights)
    labels = _cut(history, weights, limits)
    labels = _without_small(labels, centroids, weights, limits.smallest)
    return np.unique(labels[members], return_inverse=True)[1].astype(np.int64)


def _merged_by_blocks(vectors: Floats) -> Labels:
    """The number of the block's centroid for each vector."""
    from scipy.cluster.hierarchy import fcluster, linkage

    blocks = np.array_split(np.arange(len(vectors)), -(-len(vectors) // BLOCK))
    share = max(_FEWEST, CENTROIDS // len(blocks))
    members = np.zeros(len(vectors), dtype=np.int64)
    known = 0
    for block in blocks:
        found = np.arange(len(block))
        if len(block) > share:
            found = fcluster(linkage(vectors[block], method="centroid"), share, criterion="maxclust") - 1
        members[block] = found + known
        known += int(found.max()) + 1
    return np.unique(members, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Merge:
    kept: int
    joined: int
    distance: float


def _history(centroids: Floats, weights: Floats) -> list[_Merge]:
    """All merges down to one cluster: always the two whose weighted centroids are nearest."""
    centres, mass = centroids.copy(), weights.copy()
    apart = _distances(centres, centres)
    np.fill_diagonal(apart, np.inf)
    merges: list[_Merge] = []
    nearest, gap = apart.argmin(axis=1), apart.min(axis=1)
    for _ in range(len(centres) - 1):
        one = int(gap.argmin())
        two = int(nearest[one])
        kept, joined = min(one, two), max(one, two)
        merges.append(_Merge(kept, joined, float(gap[one])))
        centres[kept] = (mass[kept] * centres[kept] + mass[joined] * centres[joined]) / (mass[kept] + mass[joined])
        mass[kept] += mass[joined]
        apart[joined, :] = apart[:, joined] = np.inf
        alive = np.isfinite(apart[kept])
        row = np.where(alive, _distances(centres[kept][None], centres)[0], np.inf)
        row[kept] = np.inf
        apart[kept, :] = apart[:, kept] = row
        stale = np.flatnonzero(np.isin(nearest, (kept, joined)) | (row < gap) | np.isin(np.arange(len(gap)), (kept,)))
        nearest[stale], gap[stale] = apart[stale].argmin(axis=1), apart[stale].min(axis=1)
        gap[joined] = np.inf
    return merges


def _distances(some: Floats, others: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    found: Floats = cdist(some, others)
    return found


def _cut(history: list[_Merge], weights: Floats, limits: Limits) -> Labels:
    """The clusters after so many merges that their distance and number are right; the number goes before."""
    far = next((number for number, merge in enumerate(history) if merge.distance > limits.distance), len(history))
    large = _large_after(history, weights, limits.smallest)
    misses = np.maximum(limits.least - large, 0) + np.maximum(large - limits.most, 0)
    best = np.flatnonzero(misses == misses.min())
    chosen = int(best[np.abs(best - far).argmin()])
    labels = np.arange(len(weights))
    for merge in reversed(history[:chosen]):
        # From the last merge back, so that who joined somebody that joined another ends with the other.
        labels[merge.joined] = labels[merge.kept]
    return labels


def _large_after(history: list[_Merge], weights: Floats, smallest: int) -> NDArray[np.int64]:
    """How many clusters of at least ``smallest`` vectors there are after 0, 1, 2 ... merges."""
    mass = weights.copy()
    counts = [int((mass >= smallest).sum())]
    for merge in history:
        before = int(mass[merge.kept] >= smallest) + int(mass[merge.joined] >= smallest)
        mass[merge.kept] += mass[merge.joined]
        counts.append(counts[-1] - before + int(mass[merge.kept] >= smallest))
    return np.array(counts, dtype=np.int64)


def _without_small(labels: Labels, centroids: Floats, weights: Floats, smallest: int) -> Labels:
    """Small clusters join the large one whose direction is nearest."""
    names = np.unique(labels)
    mass = np.array([weights[labels == name].sum() for name in names])
    large, small = names[mass >= smallest], names[mass < smallest]
    if not len(large):
        return np.zeros_like(labels)
    joined = labels.copy()
    for name in small:
        joined[labels == name] = large[int(_similar(name, large, labels, centroids, weights).argmax())]
    return joined


def _similar(name: int, others: Labels, labels: Labels, centroids: Floats, weights: Floats) -> Floats:
    """The cosine between a cluster's centroid and those of the others."""

    def direction(of: int) -> Floats:
        centre: Floats = np.average(centroids[labels == of], axis=0, weights=weights[labels == of])
        return centre / max(float(np.linalg.norm(centre)), 1e-12)

    mine = direction(name)
    return np.array([float(direction(int(other)) @ mine) for other in others])
