"""The smallest flow: it writes down when its first line ran. Run by our worker and by Prefect's own."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow


@flow(name="tiny", persist_result=False)
def tiny(target: str) -> None:
    """Write the moment into the file."""
    began = time.time()
    written = Path(f"{target}.part")
    written.write_text(repr(began), encoding="ascii")
    written.rename(target)
