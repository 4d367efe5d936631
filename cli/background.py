"""A `woa serve` that runs behind another command."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from speech.errors import SpeechError

START_SECONDS = 180.0
STOP_SECONDS = 30.0
TAIL_LINES = 20


class ServerFailed(SpeechError):
    """`woa serve` did not come up, or did not stop in good order."""

    code = "server_failed"


class BackgroundServer:
    """Starts at the block's beginning, stops at its end. Its log goes to a file, what becomes ready to ``say``."""

    def __init__(self, environment: Mapping[str, str], log: Path, say: Callable[[str], None]) -> None:
        self._environment, self._log, self._say = environment, log, say
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._ready: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> BackgroundServer:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", "serve", "--json", "--supervised"],
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C comes to the command in front, which then stops this one: once, and in its own time.
                start_new_session=True,
            )
        threading.Thread(target=self._read, name="serve-output", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = -signal.SIGKILL
        if code != 0 and error is None:
            raise ServerFailed(f"`woa serve` ended with exit code {code}. The end of {self._log}:\n{self._tail()}")

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._process.pid

    def wait_for(self, part: str) -> dict[str, Any]:
        """Wait until a part is ready; what is known of it.

        Raises:
            ServerFailed: when the server ends before that, with the end of its log.

        """
        while part not in self._ready:
            try:
                line = self._lines.get(timeout=START_SECONDS)
            except queue.Empty:
                raise ServerFailed(f"{part} is not ready after {START_SECONDS:g} s; see {self._log}.") from None
            if line is None:
                raise ServerFailed(f"`woa serve` ended. The end of {self._log}:\n{self._tail()}")
            self._ready[line["ready"]] = line
            self._say(f"{line['ready']} is ready after {line['seconds']} s.")
        return self._ready[part]

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until every part is ready; the addresses."""
        return self.wait_for("everything")

    def wait(self) -> None:
        """Wait until it ends by itself, or Ctrl-C comes."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._say("Stopping.")

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
