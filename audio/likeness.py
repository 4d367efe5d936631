"""Which channels hold the same sound: dual mono, and the same voice at another level, are one channel told twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from audio.samples import Samples
from audio.spool import Spool

LEAST_LIKENESS = 0.999
"""Squared correlation from which two windows are the same sound: what differs lies 30 dB below."""
QUIET_PEAK = 10 ** (-50 / 20)
"""Windows whose peak lies below are not compared: -50 dBFS, where noise of its own drowns what is alike."""
_WINDOW_SECONDS = 10.0


def same_sound(spools: Mapping[int, Spool]) -> dict[int, int]:
    """For each channel the one that stands for it: itself, or a channel before it that holds the same sound.

    Two channels hold the same sound when one is the other times a factor, also a negative one, but for 30 dB, in every
    window of 10 s in which either is to be heard. Silent channels are like no other.

    Args:
        spools: equally long, by channel.

    """
    channels = sorted(spools)
    alike = dict.fromkeys(combinations(channels, 2), False)
    differ: set[tuple[int, int]] = set()
    for windows in _together(spools, channels):
        loud = {channel: _is_loud(window) for channel, window in windows.items()}
        for pair in alike.keys() - differ:
            if loud[pair[0]] or loud[pair[1]]:
                alike[pair] = _likeness(windows[pair[0]], windows[pair[1]]) >= LEAST_LIKENESS
                if not alike[pair]:
                    differ.add(pair)
        if len(differ) == len(alike):
            break
    return {channel: _first(channel, channels, alike) for channel in channels}


def _together(spools: Mapping[int, Spool], channels: list[int]) -> Iterator[dict[int, Samples]]:
    streams = [spools[channel].windows(_WINDOW_SECONDS) for channel in channels]
    for windows in zip(*streams, strict=True):
        yield dict(zip(channels, windows, strict=True))


def _is_loud(window: Samples) -> bool:
    return float(np.abs(window).max(initial=0.0)) >= QUIET_PEAK


def _likeness(one: Samples, other: Samples) -> float:
    """The squared correlation of two windows, in [0, 1]."""
    if np.array_equal(one, other):
        return 1.0
    first, second = _centred(one), _centred(other)
    powers = float(first @ first) * float(second @ second)
    return float(first @ second) ** 2 / powers if powers > 0 else 0.0


def _centred(window: Samples) -> NDArray[np.float64]:
    """Without its offset, which two channels of one converter share whatever they hold."""
    whole = window.astype(np.float64)
    return np.asarray(whole - whole.mean())


def _first(channel: int, channels: list[int], alike: Mapping[tuple[int, int], bool]) -> int:
    return next((before for before in channels if before < channel and alike[before, channel]), channel)
