"""Weights from the Hugging Face Hub, at a commit, each large file checked against its published hash.

``huggingface_hub`` is imported when something is pulled, never before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weights.entries import CatalogEntry, HubSource
from weights.layouts import Layout
from weights.manifest import sha256_of
from weights.reach import Reachability
from weights.sources import FULL, Origin, Progress, SourceFailed, disk_errors, watched

ENDPOINT = "https://huggingface.co"
SECONDS = 20.0
"""How long the hub may take to say what a repository holds."""


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class HubPull:
    """Fills a folder from the hub. ``reachable`` is asked first, so that offline costs no time-outs."""

    endpoint: str
    token: str | None
    reachable: Callable[[], bool]

    @classmethod
    def at(cls, endpoint: str, token: str | None) -> HubPull:
        """The hub at an endpoint; ``token`` opens gated repositories."""
        return cls(endpoint, token, Reachability(endpoint))

    def __call__(self, entry: CatalogEntry, folder: Path, progress: Progress) -> Origin:
        """Pull the entry's hub files into the folder; SourceFailed, StorageFull."""
        hub = entry.hub
        if hub is None:
            raise SourceFailed("it is not on the model hub")
        if not self.reachable():
            raise SourceFailed(f"the model hub {self.endpoint} cannot be reached from here")
        revision, files = self._listing(hub, entry.layout)
        total = sum(file.size_bytes for file in files)
        with watched(folder, total, progress):
            for file in files:
                self._fetch(hub.repository, revision, file, folder)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        progress(total, total)
        return Origin("hub", hub.repository, revision)

    def _listing(self, hub: HubSource, layout: Layout) -> tuple[str, list[_Listed]]:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint, token=self.token or False)
        info = self._asking(
            lambda: api.model_info(hub.repository, revision=hub.revision, files_metadata=True, timeout=SECONDS)
        )
        found = {file.rfilename: file for file in info.siblings or ()}
        missing = [name for name in layout.needed if name not in found]
        if missing or not info.sha:
            raise SourceFailed(f"the hub's {hub.repository} holds no {' and no '.join(missing) or 'commit'}")
        return str(info.sha), [self._listed(hub, found[name]) for name in layout.loaded if name in found]

    @staticmethod
    def _listed(hub: HubSource, file: Any) -> _Listed:
        published = file.lfs.sha256 if file.lfs else None
        pinned = hub.pinned(file.rfilename)
        return _Listed(file.rfilename, file.size or 0, pinned or published)

    def _fetch(self, repository: str, revision: str, file: _Listed, folder: Path) -> None:
        from huggingface_hub import hf_hub_download

        with disk_errors(folder):
            self._asking(
                lambda: hf_hub_download(
                    repository,
                    file.name,
                    revision=revision,
                    local_dir=folder,
                    endpoint=self.endpoint,
                    token=self.token or False,
                    tqdm_class=_silent_bar(),
                )
            )
            if file.sha256 and sha256_of(folder / file.name) != file.sha256:
                raise SourceFailed(f"{file.name} from the hub's {repository} is not the file that is expected: sha256")

    def _asking(self, ask: Callable[[], Any]) -> Any:
        # The one place where the hub library's errors become ours. Its base for HTTP troubles is another library's,
        # and which one has changed before: the library's own name for it is asked.
        from huggingface_hub.errors import (  # type: ignore[attr-defined]
            GatedRepoError,
            HfHubHTTPError,
            HTTPError,
            RepositoryNotFoundError,
        )

        try:
            return ask()
        except (GatedRepoError, RepositoryNotFoundError) as error:
            raise SourceFailed("the hub does not give it to us: it needs a token that may read it") from error
        except HfHubHTTPError as error:
            raise SourceFailed(f"the hub answered {error.response.status_code}") from error
        except (HTTPError, OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            raise SourceFailed(f"the transfer from the hub broke off ({type(error).__name__})") from error


def _silent_bar() -> type[Any]:
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    class Silent(tqdm):  # type: ignore[misc]
        """A bar that draws nothing: whoever pulls has one of their own."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

    return Silent
