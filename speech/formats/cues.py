"""How words become cues: lines with a time to show them, for every format of subtitles."""

from __future__ import annotations

from collections.abc import Iterator

from speech.formats.atoms import atoms
from speech.formats.layout import blocks, written
from speech.formats.timing import Cue, one_by_one, readable, stacked
from speech.options import SubtitleOptions
from speech.transcript import Transcript


def parallel_cues(transcript: Transcript, options: SubtitleOptions) -> tuple[Cue, ...]:
    """Cues sorted by start; only those of different speakers or channels overlap."""
    voices: dict[tuple[str | None, int | None], list[Cue]] = {}
    for cue in _spoken(transcript, options):
        voices.setdefault((cue.speaker, cue.channel), []).append(cue)
    end_ms = round(transcript.duration * 1000)
    shown = [cue for voice in voices.values() for cue in readable(one_by_one(voice), options, end_ms)]
    return tuple(sorted(shown, key=lambda cue: (cue.start_ms, cue.end_ms)))


def single_cues(transcript: Transcript, options: SubtitleOptions) -> tuple[Cue, ...]:
    """Cues one after another, whoever speaks: what is said together is stacked, or shares the time."""
    together = stacked(list(_spoken(transcript, options)), options.max_lines)
    return tuple(readable(one_by_one(together), options, round(transcript.duration * 1000)))


def _spoken(transcript: Transcript, options: SubtitleOptions) -> Iterator[Cue]:
    """Each segment's cues, at the times of their own words."""
    for segment in transcript.segments:
        for block in blocks(atoms(segment, options.max_line_width), options):
            start = min(atom.start_ms for line in block for atom in line)
            end = max(atom.end_ms for line in block for atom in line)
            yield Cue(start, end, tuple(map(written, block)), segment.speaker, segment.channel)
