"""What speakers are called in texts."""

from __future__ import annotations

from speech.transcript import Transcript, plain


def names_of(transcript: Transcript) -> dict[str, str]:
    """For each label of a speaker what people read: the name where it is known, else the label."""
    names = {segment.speaker: segment.speaker for segment in transcript.segments if segment.speaker}
    names |= {speaker.label: speaker.name or speaker.label for speaker in transcript.speakers}
    return {label: plain(name) for label, name in names.items()}
