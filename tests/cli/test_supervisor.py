"""Real processes, supervised: started, restarted, stopped in order, and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cli import supervisor as module
from cli.supervisor import Part, PartFailed, Supervisor, as_json, prefixed

STAYS = "import signal, sys, time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


class Heard:
    """Everything that a supervisor says, and a way to wait for some of it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.ready: list[str] = []

    def write(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def of(self, name: str) -> list[str]:
        return [line for who, line in self.lines if who == name]

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not met():
                await asyncio.sleep(0.01)


async def _yes() -> bool:
    return True


async def _no() -> bool:
    return False


def _part(name: str, script: str, *, ready: bool = True, stop_seconds: float = 5.0) -> Part:
    return Part(name, (sys.executable, "-c", script), _yes if ready else _no, stop_seconds)


def _supervisor(heard: Heard, *parts: Part) -> Supervisor:
    return Supervisor(
        parts,
        dict(os.environ),
        heard.write,
        lambda name, _s: heard.ready.append(name),
        lambda _s: heard.ready.append("*"),
    )


async def test_parts_start_together_and_stop_in_reverse_order() -> None:
    heard = Heard()
    said = "import signal, sys, time\nsignal.signal(15, lambda *_: (print('stopped', flush=True), sys.exit(0)))\n"
    script = said + "print('up', flush=True)\ntime.sleep(600)"
    running = _supervisor(heard, *(_part(name, script) for name in ("first", "second", "third")))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: sorted(heard.lines) == [(name, "up") for name in ("first", "second", "third")])
    await heard.until(lambda: "*" in heard.ready)
    running.interrupt()
    await task
    assert [name for name, line in heard.lines if line == "stopped"] == ["third", "second", "first"]
    assert sorted(heard.ready[:3]) == ["first", "second", "third"]


async def test_a_part_that_crashes_starts_again(tmp_path: Path) -> None:
    heard = Heard()
    mark = tmp_path / "crashed"
    script = (
        f"import os, pathlib, time; mark = pathlib.Path({str(mark)!r}); crashed = mark.exists(); mark.touch(); "
        "print('again' if crashed else 'once', flush=True); time.sleep(600) if crashed else os._exit(3)"
    )
    running = _supervisor(heard, _part("part", script))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: heard.of("part") == ["once", "again"])
    running.interrupt()
    await task
    assert any("part ended (exit code 3); it starts again" in line for line in heard.of("woa"))


async def test_a_part_that_never_starts_ends_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    others = set(psutil.Process().children(recursive=True))
    heard = Heard()
    running = _supervisor(heard, _part("good", STAYS), _part("bad", "raise SystemExit('no such thing')", ready=False))
    with pytest.raises(PartFailed, match="bad failed 5 times to start"):
        await running.run()
    assert heard.of("bad") == ["no such thing"] * 5
    assert set(psutil.Process().children(recursive=True)) <= others


async def test_a_part_that_does_not_stop_is_killed_with_all_it_started() -> None:
    heard = Heard()
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(child.pid, flush=True)\ntime.sleep(600)"
    )
    running = _supervisor(heard, _part("stubborn", script, stop_seconds=0.2))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: len(heard.of("stubborn")) == 2)
    grandchild = next(int(line) for line in heard.of("stubborn") if line.isdecimal())
    running.interrupt()
    await task
    assert any("was killed" in line for line in heard.of("woa"))
    await heard.until(lambda: not _runs(grandchild))


async def test_a_second_interrupt_kills() -> None:
    heard = Heard()
    running = _supervisor(heard, _part("stubborn", STUBBORN, stop_seconds=600))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: heard.of("stubborn") == ["up"])
    running.interrupt()
    running.interrupt()
    async with asyncio.timeout(20):
        await task


async def test_a_part_may_say_itself_that_it_is_ready() -> None:
    heard = Heard()
    script = f"import time; print('up'); print({module.READY!r}, flush=True); time.sleep(600)"
    told = Part("part", (sys.executable, "-c", script), None, 5.0)
    running = _supervisor(heard, told)
    task = asyncio.create_task(running.run())
    await heard.until(lambda: heard.ready == ["part", "*"])
    running.interrupt()
    await task
    assert heard.of("part") == ["up"]


async def test_signals_stop_it() -> None:
    heard = Heard()
    running = _supervisor(heard, _part("part", STAYS))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: heard.of("part") == ["up"])
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert heard.of("woa") == ["Stopping; once more to kill."]


async def test_lines_that_never_end_harm_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_BYTES", 1000)
    heard = Heard()
    script = "import time; print('x' * 100_000); print('after https://u:secret@h/', flush=True); time.sleep(600)"
    running = _supervisor(heard, _part("part", script))
    task = asyncio.create_task(running.run())
    await heard.until(lambda: bool(heard.of("part")) and heard.of("part")[-1] == "after https://***@h/")
    running.interrupt()
    await task


def test_lines_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    prefixed(7)("api", "hello")
    as_json()("api", '{"event": "own"}')
    as_json()("prefect", "not JSON")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "api     | hello"
    assert [json.loads(line) for line in lines[1:]] == [{"event": "own"}, {"role": "prefect", "event": "not JSON"}]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
