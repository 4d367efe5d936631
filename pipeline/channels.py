"""Channels on their way through the steps: which are worth recognising, in which order, and who speaks in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from audio.activity import Activity
from audio.likeness import same_sound
from audio.pieces import Piece
from audio.spans import Span
from audio.spool import Spool
from speech.transcript import Quality, Segment, Speaker, Transcript

Channel = int | None
"""A channel by its number from 0; None is the mix of all."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one channel before it is recognised."""

    channel: Channel
    speech: tuple[Span, ...]
    pieces: tuple[Piece, ...]
    quality: Quality
    activity: Activity


def distinct(spools: Mapping[Channel, Spool]) -> tuple[dict[Channel, Spool], tuple[str, ...]]:
    """The channels to recognise, without those that hold the sound of one before them, and a sentence about those."""
    numbered = {channel: spool for channel, spool in spools.items() if channel is not None}
    if len(numbered) < 2:
        return dict(spools), ()
    stands_for = same_sound(numbered)
    kept: dict[Channel, Spool] = {channel: numbered[channel] for channel in numbered if stands_for[channel] == channel}
    groups: dict[int, list[int]] = defaultdict(list)
    for channel, first in stands_for.items():
        groups[first].append(channel)
    return kept, tuple(_same(group) for group in groups.values() if len(group) > 1)


def _same(channels: Sequence[int]) -> str:
    *most, last = channels
    names = f"{', '.join(map(str, most))} and {last}"
    return f"Channels {names} hold the same sound: it was recognised once, as channel {channels[0]}."


def interleaved(heard: Iterable[Heard]) -> tuple[Piece, ...]:
    """The pieces of all channels in the order in which they are recognised: by where they start."""
    pieces = [replace(piece, channel=one.channel) for one in heard for piece in one.pieces]
    pieces.sort(key=lambda piece: (piece.start, -1 if piece.channel is None else piece.channel))
    return tuple(replace(piece, index=index) for index, piece in enumerate(pieces))


def quality_of(heard: Sequence[Heard], duration: float) -> Quality:
    """Of several channels: the share of the recording in which anybody speaks, and of the rest the worst channel."""
    if len(heard) == 1 or duration <= 0:
        return heard[0].quality if heard else Quality()
    ratios = [one.quality.snr_db for one in heard if one.quality.snr_db is not None]
    return Quality(
        speech_ratio=round(min(_covered(span for one in heard for span in one.speech) / duration, 1.0), 4),
        snr_db=min(ratios) if ratios else None,
        clipping=max(one.quality.clipping or 0.0 for one in heard),
    )


def _covered(spans: Iterable[Span]) -> float:
    """Seconds that the spans cover together."""
    total = reached = 0.0
    for span in sorted(spans, key=lambda span: span.start):
        total += max(0.0, span.end - max(span.start, reached))
        reached = max(reached, span.end)
    return total


def with_channel_speakers(transcript: Transcript, channels: Sequence[int]) -> Transcript:
    """The transcript with a speaker for each channel, SPEAKER_00 for channel 0, when nothing else names any.

    One channel alone tells nobody apart: then there are no speakers.
    """
    if len(channels) < 2 or transcript.speakers or any(segment.speaker for segment in transcript.segments):
        return transcript
    segments = tuple(_labelled(segment) for segment in transcript.segments)
    return replace(transcript, segments=segments, speakers=_speakers(segments))


def _labelled(segment: Segment) -> Segment:
    if segment.channel is None:
        return segment
    label = f"SPEAKER_{segment.channel:02d}"
    return replace(segment, speaker=label, words=tuple(replace(word, speaker=label) for word in segment.words))


def _speakers(segments: Iterable[Segment]) -> tuple[Speaker, ...]:
    times: dict[str, float] = defaultdict(float)
    for segment in segments:
        if segment.speaker:
            times[segment.speaker] += segment.end - segment.start
    return tuple(Speaker(label, talk_time=round(times[label], 3)) for label in sorted(times))
