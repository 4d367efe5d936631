"""The embedded Prefect server's process: the ordinary server, on SQLite transactions that bear many writers.

It is started by orchestration/server.py, configured by its environment, and ends when its standard input does, which
is when the process that started it is gone, however it went.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """Ask this process to stop as soon as the other end of standard input is closed."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(port: int) -> None:
    """Serve on loopback until SIGTERM."""
    end_with_parent()
    import uvicorn

    from orchestration.internals import begin_immediately, server_app
    from orchestration.precedence import BOOKKEEPING_NICENESS, step_back
    from orchestration.settling import settle_memory

    step_back(BOOKKEEPING_NICENESS)
    begin_immediately()
    app = server_app()(final=True)
    settle_memory()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main(int(sys.argv[1]))
