"""One disposable process: started with next to nothing, listened to, and ended at its limits.

The child gets open files rather than names, and an environment of its own. It answers in lines of JSON:
``{"heard": seconds}`` as it goes, at last ``{"done": ...}`` or ``{"refused": code, "message": ...}``.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Literal

from audio.limits import Limits
from speech.errors import DiskUnusable, InvalidAudio, JobCancelled, SpeechError, StorageFull

Program = Literal["decode", "probe", "split"]

_ROOT = str(Path(__file__).resolve().parents[1])
_START = "import sys; sys.path.append(sys.argv[1]); from audio.{}_main import main; main(sys.argv[2])"
_ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
_POLL_SECONDS = 0.1
_LONGEST_LINE = 64 * 1024
_KEPT_ERRORS = 8 * 1024
_REFUSALS: dict[str, type[SpeechError]] = {kind.code: kind for kind in (InvalidAudio, StorageFull, DiskUnusable)}
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}


class DecoderFailed(SpeechError):
    """The decoding process ended without an answer, through no fault of the file; worth another try."""

    code = "decoder_failed"
    retryable = True


def run(
    program: Program,
    files: Sequence[int],
    limits: Limits,
    *,
    heard: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **asked: int | None,
) -> dict[str, Any]:
    """Run a child over open files (descriptors) and return what it answers; ``asked`` is what it is told beside them.

    Raises:
        InvalidAudio: the file is no audio, or a limit was passed.
        StorageFull, DiskUnusable: the child could not write.
        JobCancelled: ``cancelled`` said so; it is asked about ten times a second.
        DecoderFailed: the child ended without an answer.

    """
    order = json.dumps({"files": list(files), "limits": asdict(limits), **asked})
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START.format(program), _ROOT, order],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=files,
        env=_ENVIRONMENT,
        cwd="/",
        process_group=0,
    )
    try:
        voice = _Voice(heard)
        _listen(process, voice, limits, cancelled)
        return _answer(voice, process.returncode, limits)
    finally:
        _end(process)


class _Voice:
    """What the child has said so far, bounded."""

    def __init__(self, heard: Callable[[float], None] | None) -> None:
        self.last: dict[str, Any] = {}
        self._heard = heard
        self._line = b""
        self._errors = b""

    def out(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > _LONGEST_LINE:
            raise DecoderFailed("The decoding process answered nonsense.")
        for line in lines:
            self.last = _message(line)
            if self._heard and "heard" in self.last:
                self._heard(float(self.last["heard"]))

    def err(self, data: bytes) -> None:
        self._errors = (self._errors + data)[-_KEPT_ERRORS:]

    @property
    def complaint(self) -> str:
        lines = self._errors.decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise DecoderFailed("The decoding process answered nonsense.")
    return message


def _listen(
    process: subprocess.Popen[bytes], voice: _Voice, limits: Limits, cancelled: Callable[[], bool] | None
) -> None:
    deadline = time.monotonic() + limits.wall_seconds
    asked = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(process.stdout), selectors.EVENT_READ, voice.out)
        selector.register(_pipe(process.stderr), selectors.EVENT_READ, voice.err)
        while selector.get_map():
            for key, _ in selector.select(_POLL_SECONDS):
                data = os.read(key.fd, 1 << 16)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if now >= deadline:
                raise _too_slow(limits)
            if cancelled and now - asked >= _POLL_SECONDS:
                asked = now
                if cancelled():
                    raise JobCancelled("The job was cancelled while its audio was decoded.")
    try:
        process.wait(max(deadline - time.monotonic(), _POLL_SECONDS))
    except subprocess.TimeoutExpired:
        raise _too_slow(limits) from None


def _answer(voice: _Voice, returncode: int, limits: Limits) -> dict[str, Any]:
    if returncode == 0 and "done" in voice.last:
        done: dict[str, Any] = voice.last["done"]
        return done
    if returncode == 0 and "refused" in voice.last:
        raise _REFUSALS[voice.last["refused"]](voice.last["message"])
    if -returncode == signal.SIGXCPU:
        raise InvalidAudio(
            f"Decoding the file took more than {limits.cpu_seconds:g} s of processor time, which is the limit."
        )
    if -returncode in _CRASHES:
        raise InvalidAudio("The file crashes the decoder: it is damaged, or made to do harm.")
    raise DecoderFailed(f"The decoding process ended without an answer (exit {returncode}): {voice.complaint}.")


def _too_slow(limits: Limits) -> InvalidAudio:
    return InvalidAudio(f"Reading the file took longer than {limits.wall_seconds:g} s, which is the limit.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind: no process of its group, no open pipe."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("every stream of the child is a pipe")
    return pipe
