"""Sounds in which nobody speaks: silence, noises, mains hum, music that is made here, and music of Debian's games.

All is mono float32 at 16 kHz, made from fixed seeds. The real music lies where the packages drascula-music, asc-music
and extremetuxracer-data put it; ``WOA_BENCH_MUSIC`` names another folder that such packages were unpacked to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
MUSIC_FOLDERS = ("usr/share/games", "usr/share/scummvm")
_LISTED_ONCE = "/en/"
"""Packages that bring the same tracks for every language are taken once."""
SONGS = frozenset({"track1", "track2", "track29", "track30", "track31"})
"""Pieces of drascula-music in which words are sung."""
_MUSIC_ENDINGS = (".ogg", ".mp3")

Sound = NDArray[np.float32]


def silence(seconds: float) -> Sound:
    """Digital silence."""
    return np.zeros(_count(seconds), dtype=np.float32)


def quiet_room(seconds: float) -> Sound:
    """The noise floor of a quiet room: -70 dBFS."""
    return _at(_rng(1).normal(size=_count(seconds)), 10 ** (-70 / 20))


def white(seconds: float) -> Sound:
    """White noise at -26 dBFS."""
    return _at(_rng(2).normal(size=_count(seconds)), 0.05)


def pink(seconds: float) -> Sound:
    """Noise whose power falls by 3 dB an octave."""
    return _at(_coloured(seconds, 0.5, 3), 0.05)


def brown(seconds: float) -> Sound:
    """Noise whose power falls by 6 dB an octave."""
    return _at(_coloured(seconds, 1.0, 4), 0.1)


def hum(seconds: float) -> Sound:
    """50 Hz with its harmonics, a little noise, and a level that wavers slowly."""
    time = np.arange(_count(seconds)) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in range(1, 12))
    wavering = 1 + 0.2 * np.sin(2 * np.pi * 0.23 * time)
    return _at(tones * wavering + 0.02 * _rng(5).normal(size=len(time)), 0.08)


def chords(seconds: float) -> Sound:
    """Slow broken chords of a soft, decaying tone, as on a piano."""
    song = np.zeros(_count(seconds) + 4 * RATE)
    roots = (48, 53, 55, 45, 50, 43, 48, 52)
    for number in range(int(seconds / 0.4)):
        root = roots[number // 8 % len(roots)]
        note = root + (0, 4, 7, 12, 16, 12, 7, 4)[number % 8]
        _add(song, number * 0.4, _tone(note, 2.5, decay=1.6, harmonics=6))
    return _at(song[: _count(seconds)], 0.1)


def melody(seconds: float) -> Sound:
    """A melody with vibrato and formants, as of a string or of somebody who hums: the hardest for a recogniser."""
    song = np.zeros(_count(seconds) + 4 * RATE)
    rng, note, position = _rng(6), 62, 0.0
    while position < seconds:
        length = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
        note = int(np.clip(note + rng.choice([-4, -2, -1, 1, 2, 3, 5]), 52, 76))
        _add(song, position, _sung(note, length))
        position += length + float(rng.choice([0.0, 0.05, 0.4]))
    return _at(song[: _count(seconds)], 0.1)


def drums(seconds: float) -> Sound:
    """A beat of kick, snare and hi-hat at 110 beats a minute."""
    song, rng, beat = np.zeros(_count(seconds) + 4 * RATE), _rng(7), 60 / 110
    for number in range(int(seconds / beat * 2)):
        position = number * beat / 2
        _add(song, position, 0.3 * _hit(rng, 0.05, bright=True))
        if number % 4 == 0:
            _add(song, position, _kick())
        if number % 4 == 2:
            _add(song, position, 0.8 * _hit(rng, 0.15, bright=False))
    return _at(song[: _count(seconds)], 0.1)


def band(seconds: float) -> Sound:
    """Chords, melody and drums together."""
    return _at(chords(seconds) + 0.7 * melody(seconds) + 0.8 * drums(seconds), 0.12)


SOUNDS: dict[str, Callable[[float], Sound]] = {
    "silence": silence,
    "quiet room": quiet_room,
    "white noise": white,
    "pink noise": pink,
    "brown noise": brown,
    "mains hum": hum,
    "chords": chords,
    "melody": melody,
    "drums": drums,
    "band": band,
}


def real_music(each_seconds: float = float("inf")) -> Iterator[tuple[str, Sound]]:
    """Real pieces of music in which nobody sings words, or so many seconds from the middle of each, by the file's name;
    nothing where no package is installed."""
    root = Path(os.environ.get("WOA_BENCH_MUSIC", "/"))
    for path in sorted(path for folder in _folders(root) for path in folder.rglob("*") if _is_music(path)):
        yield path.stem, _middle(path, each_seconds)


def _folders(root: Path) -> list[Path]:
    places = [root, *(child for child in root.iterdir() if child.is_dir() and root != Path("/"))]
    return [place / name for place in places for name in MUSIC_FOLDERS if (place / name).is_dir()]


def _is_music(path: Path) -> bool:
    if path.suffix not in _MUSIC_ENDINGS or not ("music" in path.parts or "track" in path.stem):
        return False
    return "drascula" not in path.parts or (_LISTED_ONCE in path.as_posix() and path.stem not in SONGS)


def _middle(path: Path, seconds: float) -> Sound:
    from faster_whisper.audio import decode_audio

    whole = np.asarray(decode_audio(str(path)), dtype=np.float32)
    count = _count(min(seconds, len(whole) / RATE))
    first = (len(whole) - count) // 2
    return whole[first : first + count]


def _count(seconds: float) -> int:
    return round(seconds * RATE)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _at(sound: NDArray[np.float64] | Sound, level: float) -> Sound:
    """The sound at that root mean square, without clipping."""
    scaled = sound * (level / (float(np.sqrt(np.mean(np.square(sound)))) or 1.0))
    return np.clip(scaled, -1.0, 32767 / 32768).astype(np.float32)


def _coloured(seconds: float, slope: float, seed: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(_rng(seed).normal(size=_count(seconds)))
    frequencies = np.fft.rfftfreq(_count(seconds), 1 / RATE)
    return np.fft.irfft(spectrum / np.maximum(frequencies, 20) ** slope, _count(seconds))


def _frequency(note: int) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _tone(note: int, seconds: float, decay: float, harmonics: int) -> NDArray[np.float64]:
    time = np.arange(_count(seconds)) / RATE
    tones = sum(np.sin(2 * np.pi * _frequency(note) * k * time) / k**1.5 for k in range(1, harmonics + 1))
    return np.asarray(tones * np.exp(-time * decay) * np.minimum(time / 0.01, 1))


def _sung(note: int, seconds: float) -> NDArray[np.float64]:
    time = np.arange(_count(seconds)) / RATE
    phase = 2 * np.pi * _frequency(note) * time + 0.6 * np.sin(2 * np.pi * 5.5 * time)
    voice = np.zeros(len(time))
    for k in range(1, int(7000 / _frequency(note))):
        pitch = k * _frequency(note)
        formants = sum(np.exp(-(((pitch - at) / 180) ** 2)) for at in (650, 1080, 2650))
        voice += (0.05 + formants) * np.sin(k * phase) / k**0.5
    ends = np.minimum(np.minimum(time / 0.05, (seconds - time) / 0.08), 1)
    return np.asarray(voice * np.maximum(ends, 0))


def _kick() -> NDArray[np.float64]:
    time = np.arange(_count(0.25)) / RATE
    return np.asarray(2 * np.sin(2 * np.pi * (45 * time + 6 * (1 - np.exp(-time * 30)))) * np.exp(-time * 14))


def _hit(rng: np.random.Generator, seconds: float, *, bright: bool) -> NDArray[np.float64]:
    noise = rng.normal(size=_count(seconds) + 1)
    noise = np.diff(noise) if bright else noise[1:]
    return np.asarray(noise * np.exp(-np.arange(len(noise)) / RATE * 5 / seconds))


def _add(song: NDArray[np.float64], position: float, sound: NDArray[np.float64]) -> None:
    first = _count(position)
    room = song[first : first + len(sound)]
    room += sound[: len(room)]
