"""Some files of a hub repository at a commit, as a folder that is whole when it is there.

For models that are no part of the catalog: the operator's settings name them, with their commit, so that the same
setting is the same weights for ever.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from filelock import FileLock

from speech.errors import ModelNotInstalled, ModelUnavailable
from weights.hub import ENDPOINT, SECONDS
from weights.manifest import sha256_of
from weights.reach import Reachability
from weights.sources import FULL, disk_errors

_NAMED = re.compile(r"^(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})$")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository of the hub at a full commit hash."""

    repository: str
    revision: str

    @classmethod
    def named(cls, name: str) -> Snapshot | None:
        """Read from ``owner/name@commit``; None where it is not written so."""
        found = _NAMED.match(name)
        return cls(found["repository"], found["revision"]) if found else None

    def folder(self, models: Path) -> Path:
        """Where it lies below the folder of models, once it was pulled."""
        return models / ".snapshots" / f"{self.repository.replace('/', '--')}@{self.revision[:12]}"

    def pulled(
        self,
        models: Path,
        patterns: Sequence[str],
        *,
        token: str | None = None,
        offline: bool = False,
        endpoint: str = ENDPOINT,
    ) -> Path:
        """The folder with the files that match; pulled first when it is absent, by one process at a time.

        Raises:
            ModelUnavailable: when the hub does not give them now.
            StorageFull: when the disk takes no more.

        """
        folder = self.folder(models)
        if folder.is_dir():
            return folder
        with disk_errors(models):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.parent / f".{folder.name}.lock"):
                if not folder.is_dir():
                    self._pull(folder, patterns, token, offline, endpoint)
        return folder

    def _pull(self, folder: Path, patterns: Sequence[str], token: str | None, offline: bool, endpoint: str) -> None:
        if offline or not Reachability(endpoint)():
            reason = "this server is told to stay offline" if offline else f"the hub {endpoint} cannot be reached"
            unavailable = ModelNotInstalled if offline else ModelUnavailable
            raise unavailable(f"The model '{self.repository}' could not be fetched: {reason}.")
        work = folder.parent / f".{uuid.uuid4().hex}"
        try:
            self._fetch(work, patterns, token, endpoint)
            shutil.rmtree(work / ".cache", ignore_errors=True)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _fetch(self, work: Path, patterns: Sequence[str], token: str | None, endpoint: str) -> None:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        api = HfApi(endpoint=endpoint, token=token or False)
        try:
            info = api.model_info(self.repository, revision=self.revision, files_metadata=True, timeout=SECONDS)
            wanted = [file for file in info.siblings or () if any(fnmatch(file.rfilename, name) for name in patterns)]
            for file in wanted:
                hf_hub_download(
                    self.repository,
                    file.rfilename,
                    revision=self.revision,
                    local_dir=work,
                    endpoint=endpoint,
                    token=token or False,
                )
                self._check(work / file.rfilename, file.lfs.sha256 if file.lfs else None)
        except (HTTPError, OSError, RuntimeError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            raise self._unavailable(type(error).__name__) from error
        if not wanted:
            raise self._unavailable("it holds no such files")

    def _check(self, path: Path, sha256: str | None) -> None:
        if sha256 and sha256_of(path) != sha256:
            raise self._unavailable(f"{path.name} is not the file that the hub names: sha256")

    def _unavailable(self, why: str) -> ModelUnavailable:
        return ModelUnavailable(f"The model '{self.repository}' could not be fetched from the hub: {why}.")
