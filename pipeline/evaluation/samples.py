"""Evaluation sets: a manifest in JSON Lines, one recording a line, with what was said in it and by whom.

``{"id": "a", "lang": "en", "path": "a.flac", "text": "..."}``; ``url`` instead of ``path``; ``rttm`` names a file with
who spoke when, ``stm`` one with who said what, ``segments`` says both in the line itself:
``[{"speaker": "A", "start": 0.5, "end": 2.1, "text": "..."}]``. Other keys are the maker's own. Paths are relative to
the manifest. Messages about a manifest name lines and ids, and never quote a text.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pipeline.evaluation.references import Lookup, Utterance, read_rttm, read_stm
from speech.diarization import Turn
from speech.errors import SpeechError
from speech.options import Identifier, Url

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class ManifestRefused(SpeechError):
    """An evaluation set that cannot be used; the message says where it is wrong, and how."""

    code = "manifest_refused"


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    speaker: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    start: float = Field(ge=0)
    end: float = Field(gt=0)
    text: str | None = None

    @model_validator(mode="after")
    def _forward(self) -> _Said:
        if self.end <= self.start:
            raise ValueError("a segment ends after its start")
        return self


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Identifier
    lang: Language
    path: str | None = None
    url: Url | None = None
    text: str | None = None
    rttm: str | None = None
    stm: str | None = None
    segments: tuple[_Said, ...] | None = None

    @model_validator(mode="after")
    def _complete(self) -> _Line:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        if self.text is None and self.rttm is None and self.stm is None and self.segments is None:
            raise ValueError("there is no reference: give text, rttm, stm or segments")
        if self.segments is not None and (self.stm is not None or self.rttm is not None):
            raise ValueError("segments say what rttm and stm say: give one or the other")
        return self


@dataclass(frozen=True, slots=True)
class Sample:
    """One recording and its reference; what is None is not known, and not scored.

    ``text`` is what was said, in one go; ``turns`` who spoke when; ``said`` who said what.
    """

    sample_id: str
    language: str
    path: Path | None = None
    url: str | None = None
    text: str | None = None
    turns: tuple[Turn, ...] | None = None
    said: tuple[Utterance, ...] | None = None

    @property
    def key(self) -> str:
        """What it is called in results: an id is taken once a language."""
        return f"{self.language}/{self.sample_id}"

    @property
    def digest(self) -> str:
        """SHA-256 of the reference: two runs are compared on the files whose references are the same."""
        known = [self.text, [_plain(turn) for turn in self.turns or ()], [_plain(each) for each in self.said or ()]]
        return hashlib.sha256(json.dumps(known, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A manifest that was read: its name, the SHA-256 of its bytes, its recordings in order."""

    name: str
    sha256: str
    samples: tuple[Sample, ...]


def read_set(manifest: Path) -> EvaluationSet:
    """The set that a manifest describes; every reference is read, no audio is.

    Raises:
        ManifestRefused: for a line that cannot be used, a file that is not there, a recording that comes twice.

    """
    content = _bytes(manifest)
    # JSON lets texts hold line separators of Unicode, which str.splitlines would part them by.
    lines = [(number, line) for number, line in enumerate(_text(manifest, content).split("\n"), 1) if line.strip()]
    if not lines:
        raise ManifestRefused(f"{manifest} lists no recording.")
    samples = _samples(manifest, lines)
    twice = [key for key, count in Counter(sample.key for sample in samples).items() if count > 1]
    if twice:
        raise ManifestRefused(f"{manifest} has {twice[0]} more than once; ids differ within a language.")
    name = manifest.stem if manifest.stem != "manifest" else manifest.absolute().parent.name
    return EvaluationSet(name, hashlib.sha256(content).hexdigest(), samples)


def _samples(manifest: Path, lines: Iterable[tuple[int, str]]) -> tuple[Sample, ...]:
    rows = []
    for number, line in lines:
        with _refused(manifest, number):
            rows.append((number, _Line.model_validate(json.loads(line))))
    users = Counter(path for _, row in rows for path in _references(manifest.parent, row))
    samples = []
    for number, row in rows:
        with _refused(manifest, number):
            samples.append(_with_references(manifest.parent, row, users))
    return tuple(samples)


@contextmanager
def _refused(manifest: Path, number: int) -> Iterator[None]:
    """Say which line of the manifest it is that cannot be used."""
    try:
        yield
    except ValidationError as error:
        raise ManifestRefused(f"{manifest}, line {number}: {_first(error)}.") from None
    except (ValueError, RecursionError) as error:
        reason = "it is no JSON object" if isinstance(error, json.JSONDecodeError | RecursionError) else str(error)
        raise ManifestRefused(f"{manifest}, line {number}: {reason}.") from None


def _references(folder: Path, row: _Line) -> set[Path]:
    """The files that say who speaks in a recording; one that is not there is told with its line."""
    named = [folder / name for name in (row.rttm, row.stm) if name is not None]
    return {path.resolve() for path in named if path.is_file()}


def _with_references(folder: Path, row: _Line, users: Mapping[Path, int]) -> Sample:
    path = None if row.path is None else _there(folder, row.path)
    turns, said = _speakers(folder, row, users)
    return Sample(row.id, row.lang, path, row.url, row.text, turns, said)


def _speakers(
    folder: Path, row: _Line, users: Mapping[Path, int]
) -> tuple[tuple[Turn, ...] | None, tuple[Utterance, ...] | None]:
    if row.segments is not None:
        texts = [each.text for each in row.segments]
        said = tuple(Utterance(each.start, each.end, each.speaker, each.text or "") for each in row.segments)
        when = tuple(Turn(each.start, each.end, each.speaker) for each in row.segments)
        return when, said if all(text is not None for text in texts) else None
    spoken = None if row.stm is None else read_stm(*_looked_up(folder, row, row.stm, users))
    turns = None if row.rttm is None else read_rttm(*_looked_up(folder, row, row.rttm, users))
    return turns, spoken


def _looked_up(folder: Path, row: _Line, name: str, users: Mapping[Path, int]) -> tuple[Path, Lookup]:
    """The file of that name, and whose lines are wanted of it."""
    path = _there(folder, name)
    return path, Lookup(_names(row), alone=users[path.resolve()] == 1)


def _names(row: _Line) -> tuple[str, ...]:
    """What the recording may be called in RTTM and STM: as its file, without the ending, or else by its id."""
    return (row.id,) if row.path is None else (Path(row.path).stem, row.id)


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ValueError(f"there is no file {name}")
    return path


def _bytes(manifest: Path) -> bytes:
    try:
        return manifest.read_bytes()
    except OSError as error:
        raise ManifestRefused(f"{manifest} cannot be read: {error.strerror or type(error).__name__}.") from None


def _text(manifest: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestRefused(f"{manifest} is no UTF-8 text.") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def _plain(each: Turn | Utterance) -> list[Any]:
    return [round(each.start, 3), round(each.end, 3), each.speaker, getattr(each, "text", None)]


def languages_of(samples: Iterable[Sample]) -> Iterator[str]:
    """The languages that are spoken, each once, in the order of the set."""
    yield from dict.fromkeys(sample.language for sample in samples)
