"""Passages for the measurement of aligners: sentences of several synthetic voices with pauses between them.

Their word times are exact. The sentences and most of the voices are others than those by which the aligners' constants
were chosen.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio.samples import SAMPLE_RATE
from benchmarks.spoken import Espeak, Flite, Speech, SpokenWord, resampled

LINES = (
    "A small boat drifted slowly towards the harbour while the fishermen mended their nets.",
    "Most people never notice how quickly the seasons change until winter is suddenly here.",
    "He opened the old wooden box, found a yellow photograph, and began to cry without a sound.",
    "Scientists believe that large animals once lived under these frozen mountains. Nobody has found proof.",
    "Turn left after the second bridge, drive past the church, then stop beside the green gate.",
    "My brother plays guitar every evening; our neighbours complain about noise nearly every week.",
    "Good evening. Tonight we present three short stories about courage, friendship, and strange weather.",
    "Her answer surprised everyone: she would leave tomorrow, travel alone, and never come back.",
)
FOREIGN = {
    "de": (
        "Gestern Abend saßen wir lange am Fenster, tranken Tee und sprachen über vergangene Zeiten.",
        "Der Zug nach Hamburg hatte zwanzig Minuten Verspätung. Niemand wusste warum.",
        "Meine Großmutter erzählte oft Geschichten aus ihrer Kindheit, und wir Kinder hörten still zu.",
    ),
    "es": (
        "Ayer por la tarde caminamos despacio por la playa, hablando de nuestros viejos amigos.",
        "El tren llegó con mucho retraso. Nadie supo explicar el motivo.",
        "Mi abuela preparaba cada domingo una comida enorme, y toda la familia cantaba después.",
    ),
    "fr": (
        "Hier soir nous avons longtemps parlé devant la fenêtre, pendant que la pluie tombait doucement.",
        "Le train pour Marseille avait beaucoup de retard. Personne ne savait pourquoi.",
        "Ma grande sœur racontait souvent des histoires étranges, puis tout le monde riait.",
    ),
    "it": (
        "Ieri sera abbiamo parlato a lungo davanti alla finestra, mentre fuori pioveva piano.",
        "Il treno per Milano portava molto ritardo. Nessuno sapeva spiegare il motivo.",
        "Mia nonna preparava ogni domenica un pranzo enorme, poi tutta la famiglia cantava insieme.",
    ),
    "ru": (
        "Вчера вечером мы долго сидели около окна, пили чай и вспоминали старые времена.",
        "Поезд опоздал почти на двадцать минут. Никто не знал почему.",
        "Моя бабушка часто рассказывала смешные истории, потом вся семья громко пела.",
    ),
}
ESPEAK = (("en-us", 130, 40), ("en-us+f2", 190, 50), ("en-gb-scotland", 170, 50))
FLITE = (("slt", 0.85), ("rms", 1.0), ("awb", 1.0), ("kal16", 0.9))
PIPER_SCALES = (0.8, 1.0, 1.3)
_SENTENCES = 2
"""Of a passage: shorter than any aligner's longest."""
_NOISE = 3e-4
"""About -70 dBFS: no real recording is digitally silent."""


def english(piper: tuple[str, str] | None = None) -> list[Speech]:
    """Every voice with every sentence; ``piper`` is a Python that has piper and onnx, and the path of a voice."""
    espeak, flite = Espeak(), Flite()
    voices = [[espeak.say(line, *voice) for line in LINES] for voice in ESPEAK]
    voices += [[flite.say(line, *voice) for line in LINES] for voice in FLITE]
    voices += [_piper(*piper, scale) for scale in PIPER_SCALES] if piper else []
    return list(_passages(voices))


def foreign() -> list[Speech]:
    """Five languages by espeak-ng, each at two speeds."""
    espeak = Espeak()
    voices = [
        [espeak.say(line, language, speed) for line in lines]
        for language, lines in FOREIGN.items()
        for speed in (140, 175)
    ]
    return list(_passages(voices))


def _passages(voices: Sequence[Sequence[Speech]]) -> Iterator[Speech]:
    random = np.random.default_rng(1)
    for spoken in voices:
        for first in range(0, len(spoken), _SENTENCES):
            yield _joined(spoken[first : first + _SENTENCES], random)


def _joined(group: Sequence[Speech], random: np.random.Generator) -> Speech:
    """The sentences with pauses of 0.2 to 1.8 s before them, and faint noise over all."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    words: list[SpokenWord] = []
    for speech in group:
        parts.append(np.zeros(int(random.uniform(0.2, 1.8) * SAMPLE_RATE), dtype=np.float32))
        at = sum(part.size for part in parts) / SAMPLE_RATE
        words += [replace(word, start=_later(word.start, at), end=_later(word.end, at)) for word in speech.words]
        parts.append(speech.samples)
    parts.append(np.zeros(int(random.uniform(0, 1) * SAMPLE_RATE), dtype=np.float32))
    samples = np.concatenate(parts)
    samples += random.normal(0, _NOISE, samples.size).astype(np.float32)
    return replace(group[0], samples=samples, words=tuple(words))


def _later(position: float | None, by: float) -> float | None:
    return None if position is None else position + by


def _piper(python: str, voice: str, scale: float) -> list[Speech]:
    program = Path(__file__).parent / "piper_main.py"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, program, voice, str(scale), folder], input="\n".join(LINES), text=True, check=True)
        return [_loaded(path, scale) for path in sorted(Path(folder).glob("*.npz"))]


def _loaded(path: Path, scale: float) -> Speech:
    found = np.load(path)
    words = tuple(
        SpokenWord(str(text), float(start), float(end))
        for text, start, end in zip(found["words"], found["starts"], found["ends"], strict=True)
    )
    name = f"piper x{scale:g}"
    return Speech(name, "en", resampled(found["samples"].astype(np.float32), int(found["rate"])), words)
