"""Whatever a child does, its parent gets an answer or an error, in time, and nothing is left behind."""

from __future__ import annotations

from dataclasses import replace

import psutil
import pytest

from audio import child
from audio.child import DecoderFailed
from audio.limits import Limits
from speech.errors import InvalidAudio, JobCancelled, StorageFull


@pytest.fixture(autouse=True)
def _nothing_left() -> object:  # type: ignore[misc]
    before = set(psutil.Process().children(recursive=True))
    descriptors = psutil.Process().num_fds()
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert psutil.Process().num_fds() <= descriptors


def behave(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the child run other code."""
    monkeypatch.setattr(child, "_START", code.replace("{", "{{").replace("}", "}}"))


def test_the_last_line_is_the_answer(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    behave(monkeypatch, """print('{"heard": 1.5}\\n{"done": {"a": 1}}')""")
    heard: list[float] = []
    assert child.run("decode", (), limits, heard=heard.append) == {"a": 1}
    assert heard == [1.5]


@pytest.mark.parametrize("kind", [InvalidAudio, StorageFull])
def test_a_refusal_is_raised_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, kind: type[InvalidAudio]
) -> None:
    behave(monkeypatch, f"""print('{{"refused": "{kind.code}", "message": "Why."}}')""")
    with pytest.raises(kind, match=r"^Why\.$"):
        child.run("decode", (), limits)


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); os.close(2); time.sleep(600)",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "while True: print('{\"heard\": 1}')",
    ],
    ids=["silent", "deaf", "stubborn", "chatty"],
)
def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, limits: Limits, code: str) -> None:
    behave(monkeypatch, code)
    with pytest.raises(InvalidAudio, match=r"longer than 0\.3 s"):
        child.run("decode", (), replace(limits, wall_seconds=0.3))


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"])
def test_a_crash_is_the_files_fault(monkeypatch: pytest.MonkeyPatch, limits: Limits, name: str) -> None:
    behave(
        monkeypatch,
        "import os, resource, signal; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
        f"os.kill(os.getpid(), signal.{name})",
    )
    with pytest.raises(InvalidAudio, match="crashes the decoder"):
        child.run("decode", (), limits)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"exit -9.*it said nothing"),
        ("raise SystemExit(3)", "exit 3"),
        ("pass", "exit 0"),
        (
            "import sys; sys.stderr.write('x' * 10_000_000); raise RuntimeError('the reason')",
            "RuntimeError: the reason",
        ),
        ("import sys; sys.stdout.write('x' * 200_000); sys.stdout.flush(); import time; time.sleep(600)", "nonsense"),
        ("print('not json')", "nonsense"),
    ],
    ids=["killed", "exit", "silence", "stderr", "endless line", "no json"],
)
def test_a_child_without_an_answer_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, code: str, complaint: str
) -> None:
    behave(monkeypatch, code)
    with pytest.raises(DecoderFailed, match=complaint) as caught:
        child.run("decode", (), limits)
    assert caught.value.retryable
    assert len(caught.value.message) < 500


def test_cancelling_ends_the_child(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    behave(monkeypatch, "import time; time.sleep(600)")
    with pytest.raises(JobCancelled):
        child.run("decode", (), limits, cancelled=lambda: True)


def test_an_error_of_the_listener_ends_the_child(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    behave(monkeypatch, "import time; print('{\"heard\": 1}', flush=True); time.sleep(600)")

    def fail(seconds: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        child.run("decode", (), limits, heard=fail)
