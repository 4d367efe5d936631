from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from providers import voice_clusters
from providers.voice_clusters import Limits, cluster

NO_LIMIT = 10_000


def voices(sizes: list[int], spread: float = 0.35, seed: int = 7) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unit vectors around so many directions, in mixed order; and whose each is."""
    chance = np.random.default_rng(seed)
    directions = chance.normal(size=(len(sizes), 64))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    whose = chance.permutation(np.repeat(np.arange(len(sizes)), sizes))
    noisy = directions[whose] + spread * chance.normal(size=(len(whose), 64)) / 8
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True), whose


def same(labels: NDArray[np.int64], whose: NDArray[np.int64]) -> bool:
    return len(set(zip(labels, whose, strict=True))) == len(set(labels)) == len(set(whose))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_clusters, "BLOCK", 100)
    monkeypatch.setattr(voice_clusters, "CENTROIDS", 80)


@pytest.mark.usefixtures("small_blocks")
def test_voices_are_told_apart_over_blocks() -> None:
    vectors, whose = voices([300, 200, 120, 40])
    assert same(cluster(vectors, Limits(0.7, 12, 1, NO_LIMIT)), whose)


@pytest.mark.usefixtures("small_blocks")
def test_who_speaks_little_in_every_block_is_found_by_all_of_them() -> None:
    vectors, whose = voices([570, 30])  # five in each block of a hundred, fewer than the smallest cluster
    assert same(cluster(vectors, Limits(0.7, 12, 1, NO_LIMIT)), whose)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_the_number_is_kept(count: int) -> None:
    vectors, _ = voices([300, 200, 120, 40])
    assert len(set(cluster(vectors, Limits(0.7, 1, count, count)))) == count
    assert len(set(cluster(vectors, Limits(0.7, 12, 1, count)))) == min(count, 4)
    assert len(set(cluster(vectors, Limits(0.7, 1, count, NO_LIMIT)))) >= count


def test_a_small_cluster_joins_the_nearest() -> None:
    vectors, whose = voices([60, 60, 5])
    labels = cluster(vectors, Limits(0.7, 12, 1, NO_LIMIT))
    assert len(set(labels)) == 2
    assert same(labels[whose < 2], whose[whose < 2])


def test_one_block_is_what_scipy_makes_of_it() -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    vectors, _ = voices([50, 40, 30, 20], spread=0.6)
    expected = fcluster(linkage(vectors, method="centroid"), 0.7, criterion="distance")
    assert same(cluster(vectors, Limits(0.7, 1, 1, NO_LIMIT)), expected.astype(np.int64))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_vectors(count: int) -> None:
    vectors, _ = voices([count])
    assert len(cluster(vectors, Limits(0.7, 1, 1, NO_LIMIT))) == count
    assert len(set(cluster(vectors, Limits(0.7, 1, 9, 9)))) == count
