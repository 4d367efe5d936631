"""Evaluation sets of a server: a folder for each, in the folder that the settings name.

``SET/manifest.jsonl`` is the set, ``SET/request.json`` what is asked for (without it, the defaults), and
``SET/baseline.json`` the result that runs are compared with, if there is one. Results come to ``SET/results``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.evaluation.comparison import Comparison, Tolerance
from pipeline.evaluation.page import page
from pipeline.evaluation.results import Result, read_result, write_result
from pipeline.evaluation.run import Plan
from pipeline.evaluation.samples import EvaluationSet, ManifestRefused, read_set
from speech.options import TranscribeRequest

_NAME = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,127}")


@dataclass(frozen=True, slots=True)
class ShelvedSet:
    """One of the sets of a server."""

    folder: Path

    @classmethod
    def find(cls, sets: Path, name: str) -> ShelvedSet:
        """The set of that name.

        Raises:
            ManifestRefused: when there is none.

        """
        if not _NAME.fullmatch(name) or not (sets / name / "manifest.jsonl").is_file():
            raise ManifestRefused("There is no evaluation set of that name: sets are folders in WOA_EVALUATION_DIR.")
        return cls(sets / name)

    def read(self) -> tuple[EvaluationSet, Plan]:
        """What is run, and how.

        Raises:
            ManifestRefused: when the manifest or the request cannot be used.

        """
        return read_set(self.folder / "manifest.jsonl"), Plan(self._request())

    @property
    def baseline(self) -> Result | None:
        """What runs are compared with; None when nobody put one there. ResultRefused when it is none."""
        path = self.folder / "baseline.json"
        return read_result(path) if path.exists() else None

    def keep(self, name: str, result: Result) -> None:
        """Write the result."""
        write_result(result, self.folder / "results" / f"{name}.json")

    def write_page(self, name: str, result: Result, comparison: Comparison | None, tolerance: Tolerance) -> None:
        """Write the page of a result that was kept."""
        written = page(result, comparison, tolerance)
        (self.folder / "results" / f"{name}.html").write_text(written, encoding="utf-8")

    def _request(self) -> TranscribeRequest:
        path = self.folder / "request.json"
        if not path.exists():
            return TranscribeRequest()
        try:
            return TranscribeRequest.model_validate(json.loads(path.read_bytes()))
        except (ValidationError, ValueError, OSError):
            raise ManifestRefused("The set's request.json is no request as `POST /transcribe` takes it.") from None
