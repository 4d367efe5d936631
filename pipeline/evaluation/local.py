"""Transcribing the recordings of a set in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.evaluation.samples import Sample
from pipeline.local import transcribe_file
from pipeline.observer import Observer, Unobserved
from pipeline.runtime import Runtime
from remote.download import download
from remote.guard import UrlRules
from speech.options import TranscribeRequest
from speech.transcript import Transcript


@dataclass(frozen=True, slots=True)
class InThisProcess:
    """A transcriber beside a runtime; URLs are fetched within the rules that every URL is under."""

    runtime: Runtime
    observer: Observer = field(default_factory=Unobserved)

    def __call__(self, sample: Sample, request: TranscribeRequest) -> Transcript:
        """Fetch, decode, recognise, and every step that is asked for.

        Raises:
            SpeechError: as `transcribe_file` and `download` do.

        """
        with self._file(sample) as path:
            return transcribe_file(self.runtime, path, request, self.observer)

    @contextmanager
    def _file(self, sample: Sample) -> Iterator[Path]:
        if sample.path is not None:
            yield sample.path
            return
        settings = self.runtime.settings
        rules = UrlRules.from_settings(settings)
        with self.runtime.spools.work() as folder:
            target = folder / "recording"
            download(
                sample.url or "",
                target,
                rules,
                max_bytes=settings.max_upload_bytes,
                timeout=settings.url_timeout,
                cancelled=self.observer.cancelled,
            )
            yield target
