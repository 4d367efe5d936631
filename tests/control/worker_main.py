"""A worker in a process of its own, for tests that kill it. Its settings come from the environment."""

from __future__ import annotations

import asyncio

from speech.settings import Settings
from workers.service import PoolService


def main() -> None:
    """Serve until killed."""
    asyncio.run(PoolService(Settings(_env_file=None)).serve(asyncio.Event()))  # type: ignore[call-arg]


if __name__ == "__main__":
    main()
