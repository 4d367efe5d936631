"""Real voices to measure with, from packages: `python -m benchmarks.voice_set FOLDER` makes FOLDER/SPEAKER/*.wav.

- tortoise-tts 3.0.0 (PyPI, the source distribution): a few clips each of some thirty speakers. The clips are samples of
  voices that the package was made to imitate; they are measured with here, and not passed on.
- Debian's prompts for Asterisk: one speaker a package, G.722 or telephone quality, in four languages. The Spanish ones
  of Mexico are left out: the speaker is the one of the English ones.
- tests/data/audio: the LibriVox reader and JFK.

Packages are fetched by `pip download` and `apt-get download`; nothing is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from audio.samples import SAMPLE_RATE

BUNDLED = Path(__file__).parent.parent / "tests" / "data" / "audio" / "en"
PYPI = "tortoise-tts==3.0.0"
DEBIAN = {
    "asterisk-core-sounds-en-g722": "prompts-en",
    "asterisk-core-sounds-fr-g722": "prompts-fr",
    "asterisk-core-sounds-it-g722": "prompts-it",
    "asterisk-core-sounds-ru-g722": "prompts-ru",
    "asterisk-prompt-es-co": "prompts-es-co",
    "asterisk-prompt-fr-armelle": "prompts-fr-armelle",
    "asterisk-prompt-it-menardi-wav": "prompts-it-menardi",
}
SAME = {"pat2": "pat"}
"""Two folders of one speaker."""
TWINS = {"rainbow"}
"""Voices that the speaker of another folder puts on."""
CLIP_SECONDS = 12.0
"""Prompts are short: so much of them is joined to one clip."""
PROMPT_CLIPS = 5
SHORTEST_PROMPT = 1.5
SUFFIXES = (".wav", ".mp3", ".flac", ".g722", ".gsm", ".ulaw")


def build(folder: Path) -> int:
    """Make the set; how many speakers it has."""
    with tempfile.TemporaryDirectory() as name:
        fetched = Path(name)
        for speaker, clips in (*_from_pypi(fetched), *_from_debian(fetched), *_bundled()):
            for number, clip in enumerate(clips):
                _write(folder / speaker / f"{number}.wav", clip)
    return len(list(folder.iterdir()))


def _from_pypi(fetched: Path) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary=:all:"]
    subprocess.run([*command, PYPI, "-d", str(fetched)], check=True)
    with tarfile.open(next(fetched.glob("tortoise*.tar.gz"))) as archive:
        archive.extractall(fetched, filter="data")
    voices: dict[str, list[NDArray[np.float32]]] = {}
    for path in sorted(fetched.glob("tortoise*/tortoise/voices/*/*")):
        if path.suffix in SUFFIXES and path.parent.name not in TWINS:
            voices.setdefault(SAME.get(path.parent.name, path.parent.name), []).append(decode(path))
    yield from voices.items()


def _from_debian(fetched: Path) -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    for package, speaker in DEBIAN.items():
        subprocess.run(["apt-get", "download", "-q", package], check=True, cwd=fetched, stdout=subprocess.DEVNULL)
        content = fetched / package
        subprocess.run(["dpkg-deb", "-x", str(next(fetched.glob(f"{package}_*.deb"))), str(content)], check=True)
        prompts = sorted(path for path in content.rglob("*") if path.suffix in SUFFIXES and path.is_file())
        yield speaker, list(_joined(prompts))
        shutil.rmtree(content)


def _joined(prompts: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Clips of several prompts each, from all over the package."""
    made, parts, length = 0, list[NDArray[np.float32]](), 0
    for path in prompts[:: max(1, len(prompts) // 150)]:
        samples = decode(path)
        if samples.size < SHORTEST_PROMPT * SAMPLE_RATE:
            continue
        parts.append(samples)
        length += samples.size
        if length >= CLIP_SECONDS * SAMPLE_RATE:
            yield np.concatenate(parts)
            made, parts, length = made + 1, [], 0
        if made == PROMPT_CLIPS:
            return


def _bundled() -> Iterator[tuple[str, list[NDArray[np.float32]]]]:
    yield "librivox", [decode(path) for path in sorted(BUNDLED.glob("librivox-*.flac"))]
    jfk = decode(BUNDLED / "jfk.flac")
    yield "jfk", list(np.array_split(jfk, 2))


def decode(path: Path) -> NDArray[np.float32]:
    """Mono float32 at 16 kHz."""
    raw = {".g722": "g722", ".gsm": "gsm", ".ulaw": "mulaw"}.get(path.suffix)
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
    with av.open(str(path), format=raw) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    print(f"{build(Path(sys.argv[1]))} speakers")
