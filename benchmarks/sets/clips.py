"""Real utterances of known speakers with what they say, as the packages have them.

Which split an utterance belongs to is decided by a hash of its speaker and name, so it never changes. References are
the packages' own. An utterance is left out when its reference cannot be what is heard: too few or too many words for
its length, notes in brackets, or, in other languages than English, digits, which every voice reads in its own way.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets.packages import unpacked
from benchmarks.sets.sound import SAMPLE_RATE, read

ASTERISK = ("en", "es", "fr", "it", "ru")
FILLETS = ("cs", "nl")
BUNDLED = Path(__file__).parent.parent.parent / "tests" / "data" / "audio"
SLOWEST, FASTEST = 0.8, 5.5
"""Words a second between which a reference can be what is said."""


@dataclass(frozen=True)
class Speaker:
    """A voice: ``sex`` is f or m, ``licence`` that of its recordings."""

    name: str
    sex: str
    licence: str


@dataclass(frozen=True)
class Clip:
    """One utterance. ``name`` is unique within its language."""

    name: str
    language: str
    speaker: Speaker
    text: str
    path: Path
    source: str

    @property
    def split(self) -> str:
        """``tune`` or ``test``."""
        return "test" if self.order[0] in "02468ace" else "tune"

    @property
    def order(self) -> str:
        """Where it stands among others: by chance, but always the same."""
        return hashlib.sha256(f"{self.speaker.name}/{self.name}".encode()).hexdigest()

    @property
    def words(self) -> int:
        """How many words the reference has."""
        return len(self.text.split())

    @property
    def samples(self) -> NDArray[np.float32]:
        """Mono float32, 16 kHz."""
        return read(self.path)

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(len(self.samples) / SAMPLE_RATE)

    @property
    def plausible(self) -> bool:
        """Whether the reference can be what is heard."""
        return SLOWEST <= self.words / max(self.seconds, 0.1) <= FASTEST


def prompts(language: str, packages: Path) -> list[Clip]:
    """What Asterisk says in a language, in the order of the hash."""
    speaker = _ASTERISK_VOICES[language]
    source = f"asterisk-core-sounds-{language}-g722"
    sounds = next((unpacked(source, packages) / "usr/share/asterisk/sounds").glob("*_*_*"))
    texts = unpacked(f"asterisk-core-sounds-{language}", packages)
    listed = next(texts.glob(f"usr/share/doc/*/core-sounds-{language}.txt.gz"))
    found = []
    for name, text in _prompt_texts(gzip.decompress(listed.read_bytes()).decode("utf-8-sig")):
        path = sounds / f"{name}.g722"
        if path.is_file() and _spoken(text, language):
            found.append(Clip(f"{language}-{name.replace('/', '-')}", language, speaker, text, path, source))
    return _in_order(found)


def actors(language: str, packages: Path) -> list[Clip]:
    """What the fish of a game say, in Czech or Dutch: a speaker is one who has a role of their own."""
    source = f"fillets-ng-data-{language}"
    sounds = unpacked(source, packages) / "usr/share/games/fillets-ng/sound"
    scripts = unpacked("fillets-ng-data", packages) / "usr/share/games/fillets-ng/script"
    found: dict[str, Clip] = {}
    for script in sorted(scripts.glob(f"*/dialogs_{language}.lua")):
        for name, role, text in _DIALOG.findall(script.read_text(encoding="utf-8")):
            path = sounds / script.parent.name / language / f"{name}.ogg"
            speaker = _ROLES.get((language, role))
            if speaker is None or not path.is_file() or not _spoken(text, language):
                continue
            clip = Clip(f"{language}-{script.parent.name}-{name}", language, speaker, _unquoted(text), path, source)
            found.setdefault(clip.name, clip)
    return _in_order(list(found.values()))


def readers(packages: Path) -> list[Clip]:
    """English voices of pocketsphinx-testdata, and the president whose words lie among the tests."""
    data = unpacked("pocketsphinx-testdata", packages) / "usr/share/pocketsphinx/test/data"
    found = []
    for folder, listed, speaker in (
        ("librivox", "transcription", _AUSTEN),
        ("cards", "cards.transcription", _CARDS),
    ):
        for text, name in _SPHINX.findall((data / folder / listed).read_text(encoding="utf-8")):
            path = data / folder / f"{name}.wav"
            said = _CORRECTED.get(name, text)
            found.append(Clip(f"{folder}-{name[-4:]}", "en", speaker, said, path, "pocketsphinx-testdata"))
    found.append(Clip("jfk", "en", _JFK, _ASK_NOT, BUNDLED / "en" / "jfk.flac", "examples of whisper.cpp"))
    return _in_order(found)


def _in_order(clips: list[Clip]) -> list[Clip]:
    return sorted(clips, key=lambda clip: clip.order)


def _prompt_texts(listed: str) -> Iterator[tuple[str, str]]:
    for line in listed.splitlines():
        name, colon, text = line.partition(":")
        if colon and not line.startswith(";"):
            yield name.strip(), text.strip()


def _spoken(text: str, language: str) -> bool:
    return bool(text) and not _NOTE.search(text) and (language == "en" or not any(sign.isdigit() for sign in text))


def _unquoted(text: str) -> str:
    return text.replace('\\"', '"').replace("\\n", " ")


_NOTE = re.compile(r"[\[\]<>()/@*%]")
_DIALOG = re.compile(r'dialogId\("([^"]+)",\s*"([^"]*)",\s*"(?:[^"\\]|\\.)*"\)\s*\n\s*dialogStr\("((?:[^"\\]|\\.)*)"\)')
_SPHINX = re.compile(r"<s>\s*(.*?)\s*</s>\s*\((\S+)\)")
_CORRECTED = {
    # The package has "a more a amiable woman"; Austen and the reader do not.
    "sense_and_sensibility_01_austen_64kb-0920": "had he married a more amiable woman he might have been made still "
    "more respectable than he was"
}
_ASK_NOT = (
    "And so, my fellow Americans: ask not what your country can do for you, ask what you can do for your country."
)
_CC = "CC-BY-SA-3.0"
_GPL = "GPL-2"
_ALLISON = Speaker("allison", "f", _CC)
"""She speaks the English and the Spanish prompts: one voice."""
_ASTERISK_VOICES = {
    "en": _ALLISON,
    "es": _ALLISON,
    "fr": Speaker("june", "f", _CC),
    "it": Speaker("carlo", "m", _CC),
    "ru": Speaker("ivrvoice-ru", "f", _CC),
}
# Roles whose voices are told apart by a speaker embedding (CAM++, cosines below 0.5); the others share actors.
_ROLES = {
    ("cs", "font_small"): Speaker("cs-small-fish", "f", _GPL),
    ("cs", "font_big"): Speaker("cs-big-fish", "m", _GPL),
    ("cs", "font_statue"): Speaker("cs-statue", "m", _GPL),
    ("cs", "font_linuxer1"): Speaker("cs-linuxer", "m", _GPL),
    ("cs", "font_robodog"): Speaker("cs-robodog", "m", _GPL),
    ("nl", "font_small"): Speaker("nl-small-fish", "f", _GPL),
    ("nl", "font_big"): Speaker("nl-big-fish", "m", _GPL),
}
_AUSTEN = Speaker("librivox-austen", "m", "public domain; packaging BSD-2-Clause")
_CARDS = Speaker("sphinx-cards", "m", "BSD-2-Clause")
_JFK = Speaker("jfk", "m", "public domain")
