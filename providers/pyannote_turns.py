"""From what was heard to turns: clusters over the whole recording, then turns block by block.

The methods are those of pyannote's `SpeakerDiarization`, and so are the results. What would grow with windows times
speakers (1 GB for three hours and twenty speakers, more than once) is made for some minutes at a time.

Imported when the networks are loaded, never before: torch and pyannote.audio come with it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyannote.core import Annotation

from audio.samples import SAMPLE_RATE
from audio.spool import Spool
from providers.diarizer import SpeakerBounds
from providers.pyannote_hearing import BLOCK_WINDOWS, Heard, Lent, hear
from providers.role import StepWatch
from speech.diarization import Diarization, Turn, Voice, labelled

_HEARD = 0.97
"""The share of the work that is done when everything was heard."""


def tell_apart(spool: Spool, lent: Lent, bounds: SpeakerBounds, watch: StepWatch) -> Diarization:
    """Who speaks when in the recording."""
    heard = hear(spool, lent, lambda share: watch.advanced(_HEARD * share), watch.parts)
    with lent() as pipeline:
        found = from_heard(heard, pipeline, bounds, spool.duration)
    watch.advanced(1.0)
    return found


def from_heard(heard: Heard, pipeline: Any, bounds: SpeakerBounds, duration: float) -> Diarization:
    """The same from what the networks heard in a recording of so many seconds."""
    if not heard.active.any():
        return Diarization()
    clusters, most = _clusters(pipeline, heard, bounds)
    turns = _joined(list(_turns(pipeline, heard, clusters, most, duration)))
    return labelled(turns, _voices(turns, heard, clusters))


def _clusters(pipeline: Any, heard: Heard, bounds: SpeakerBounds) -> tuple[NDArray[Any], float]:
    """The speaker of each voice of each window (-2: it is silent), and how many there may be at most."""
    active = heard.windows.placed(heard.active)
    exactly, least, most = pipeline.set_num_speakers(bounds.exactly, bounds.least, bounds.most)
    enough = max(1, len(pipeline.clustering.filter_embeddings(heard.voices, segmentations=active)[0]))
    clusters, _, _ = pipeline.clustering(
        embeddings=heard.voices,
        segmentations=active,
        num_clusters=min(exactly, enough) if exactly else None,
        min_clusters=min(least, enough),
        max_clusters=most,
    )
    clusters = clusters.astype(np.int64)
    clusters[heard.active.sum(axis=1) == 0] = -2
    return clusters, most


def _turns(pipeline: Any, heard: Heard, clusters: NDArray[Any], most: float, duration: float) -> Iterator[Turn]:
    """The turns of each block, cut where the next one begins.

    A block is drawn with the windows before and after that overlap it, and begins on pyannote's grid of frames.
    """
    windows = heard.windows
    grid = _grid(pipeline, windows.step)
    around = -(-windows.length // windows.step)
    for core in windows.blocks(max(1, BLOCK_WINDOWS // grid) * grid):
        first = max(0, core.start - -(-around // grid) * grid)
        drawn = slice(first, min(core.stop + around, windows.count))
        start = core.start * windows.step / SAMPLE_RATE
        end = duration if core.stop == windows.count else core.stop * windows.step / SAMPLE_RATE
        yield from _within(_drawn(pipeline, heard, clusters, most, drawn), start, min(end, duration))


def _grid(pipeline: Any, step: int) -> int:
    """After how many windows the beginning of a window falls on that of a frame again."""
    frame: int = round(pipeline._segmentation.model.receptive_field.step * SAMPLE_RATE)
    return frame // math.gcd(frame, step)


def _drawn(pipeline: Any, heard: Heard, clusters: NDArray[Any], most: float, block: slice) -> Annotation:
    """What pyannote draws of these windows: in each frame the speakers who are most active, as many as speak there."""
    active, owners = heard.active[block].astype(np.float32), clusters[block]
    placed = heard.windows.placed(active, block.start)
    frames = pipeline._segmentation.model.receptive_field
    count = pipeline.speaker_count(heard.windows.placed(active.copy(), block.start), frames, warm_up=(0.0, 0.0))
    count.data = np.minimum(count.data, most).astype(np.int8)
    speakers = max(int(clusters.max()) + 1, 1)
    by_speaker = np.full((*active.shape[:2], speakers), np.nan, dtype=np.float32)
    for window, owner in enumerate(owners):
        for speaker in np.unique(owner[owner >= 0]):
            by_speaker[window, :, speaker] = active[window][:, owner == speaker].max(axis=1)
    placed.data = by_speaker
    discrete = pipeline.to_diarization(placed, count)
    return pipeline.to_annotation(discrete, min_duration_off=pipeline.segmentation.min_duration_off)


def _within(drawn: Annotation, start: float, end: float) -> Iterator[Turn]:
    for segment, _, speaker in drawn.itertracks(yield_label=True):
        first, last = max(float(segment.start), start), min(float(segment.end), end)
        if last > first:
            yield Turn(first, last, str(speaker))


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """A turn that a block's end cut in two is one."""
    joined: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: (turn.speaker, turn.start)):
        before = joined[-1] if joined else None
        if before and before.speaker == turn.speaker and turn.start - before.end < 1e-6:
            joined[-1] = Turn(before.start, max(before.end, turn.end), turn.speaker)
        else:
            joined.append(turn)
    return joined


def _voices(turns: Sequence[Turn], heard: Heard, clusters: NDArray[Any]) -> list[Voice]:
    """What each speaker sounds like: the mean of the vectors that became that speaker, each with the weight of the
    frames in which that voice was alone. pyannote's centroids give half a second the same weight as ten.
    """
    single = heard.active.sum(axis=2, keepdims=True, dtype=np.uint8) == 1
    weights = (heard.active * single).sum(axis=1, dtype=np.float64)
    weights[~np.isfinite(heard.voices).all(axis=2)] = 0.0
    voices: list[Voice] = []
    for speaker, seconds in _alone(turns).items():
        chosen = (clusters == int(speaker)) & (weights > 0)
        if chosen.any():
            vectors = heard.voices[chosen].astype(np.float64)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            mean = weights[chosen] @ vectors
            unit = mean / np.linalg.norm(mean)
            voices.append(Voice(speaker, tuple(float(value) for value in unit), round(seconds, 3)))
    return voices


def _alone(turns: Sequence[Turn]) -> dict[str, float]:
    """Seconds in which each speaker is the only one who speaks."""
    moments = sorted(
        [(turn.start, True, turn.speaker) for turn in turns] + [(turn.end, False, turn.speaker) for turn in turns],
        key=lambda moment: (moment[0], moment[1]),
    )
    seconds: dict[str, float] = defaultdict(float)
    speaking: set[str] = set()
    since = 0.0
    for at, begins, speaker in moments:
        if len(speaking) == 1:
            seconds[next(iter(speaking))] += at - since
        since = at
        if begins:
            speaking.add(speaker)
        else:
            speaking.discard(speaker)
        seconds[speaker] += 0.0
    return dict(seconds)
