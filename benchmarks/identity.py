"""Is the text over REST the text of bare faster-whisper with the same model and options?

Real clips: those of tests/data/audio, and, where the Debian packages asterisk-core-sounds-{en,es,fr,it,ru}-g722 and
pocketsphinx-testdata are installed, more from there. English goes to tiny.en, the others to base. The bare side is one
`WhisperModel.transcribe` call, with VAD as the job asks for it (the contract's defaults), int8 on the CPU.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bare import BareWhisper
from benchmarks.stack import Stack
from speech.options import VadOptions

BUNDLED = Path(__file__).parent.parent / "tests" / "data" / "audio"
DEBIAN = Path("/usr/share/asterisk/sounds")
CONVERTED = Path(__file__).parent.parent / "var" / "bench" / "clips"
POCKETSPHINX = Path("/usr/share/pocketsphinx/test/data")
SHORTEST_BYTES = 16_000
"""Two seconds of G.722: shorter prompts are single words and numbers."""


@dataclass(frozen=True)
class Clip:
    """A recording in a language."""

    path: Path
    language: str

    @property
    def model(self) -> str:
        """The embedded model for that language."""
        return "tiny.en" if self.language == "en" else "base"


@dataclass(frozen=True)
class Difference:
    """A clip whose two texts are not the same."""

    clip: str
    bare: str
    product: str


def collect(per_language: int = 20) -> list[Clip]:
    """The bundled clips, and up to ``per_language`` more of each language from Debian's packages."""
    rows = [json.loads(line) for line in (BUNDLED / "manifest.jsonl").read_text("utf-8").splitlines() if line.strip()]
    clips = [Clip(BUNDLED / row["path"], row["lang"]) for row in rows]
    for language in ("en", "es", "fr", "it", "ru"):
        clips += islice(_prompts(language), per_language)
    clips += [Clip(path, "en") for path in sorted(POCKETSPHINX.rglob("*.wav"))]
    return clips


def compare(stack: Stack, clips: list[Clip], models: Path, options: dict[str, Any]) -> list[Difference]:
    """Transcribe every clip both ways; ``options`` are added to the job's body."""
    bare = BareWhisper(models, VadOptions.model_validate(options.get("vad", {})))
    differences = []
    with stack.client() as client:
        for clip in clips:
            (file_id,) = stack.upload(client, clip.path)
            body = {"file_ids": [file_id], "model": clip.model, **options}
            job_id = client.post("/transcribe", json=body).raise_for_status().json()["job_id"]
            job = stack.finished(client, job_id)
            text = _text(client, job)
            expected = bare.text(clip.path, clip.model)
            if text.split() != expected.split():
                differences.append(Difference(f"{clip.language}/{clip.path.name}", expected, text))
    return differences


def _text(client: httpx.Client, job: dict[str, Any]) -> str:
    if job["status"] != "completed":
        return str(job["error"])
    text: str = client.get(f"/results/{job['job_id']}/json").raise_for_status().json()["text"]
    return text


def _prompts(language: str) -> Iterator[Clip]:
    """Debian's prompts as WAV: raw G.722 carries no header by which an upload could be known."""
    CONVERTED.mkdir(parents=True, exist_ok=True)
    for folder in sorted(DEBIAN.glob(f"{language}_*_*")):
        for path in sorted(folder.rglob("*.g722")):
            if path.stat().st_size >= SHORTEST_BYTES:
                yield Clip(_as_wav(path, CONVERTED / f"{language}-{path.stem}.wav"), language)


def _as_wav(source: Path, target: Path) -> Path:
    from faster_whisper.audio import decode_audio

    if not target.exists():
        samples = (decode_audio(str(source)) * 32768).astype("<i2")
        with wave.open(str(target), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(samples.tobytes())
    return target
