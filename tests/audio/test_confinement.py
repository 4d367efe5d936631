"""A hostile file reaches nothing: no other file, no address, no more than its share, and it dies with its parent."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest

from audio import media
from audio.decode import decode
from audio.decode_main import decode_into
from audio.limits import Limits
from audio.probe import probe
from speech.errors import InvalidAudio

from .conftest import LIMITS, RATE, Pcm, wav

ROOT = Path(__file__).parents[2]


class Listener:
    """An HTTP server that writes down who asked for what."""

    def __init__(self, answer: bytes) -> None:
        self.asked: list[str] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def listener(speech_pcm: Pcm) -> Iterator[Listener]:
    listener = Listener(wav(speech_pcm.tobytes()))
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


LEADERS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:20\n#EXTINF:20,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": "<?xml version='1.0'?>\n<MPD><Period><AdaptationSet><Representation><BaseURL>{target}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{target}\nm=audio 0 RTP/AVP 0\n",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
}


@pytest.fixture
def targets(tmp_path: Path, listener: Listener, speech_pcm: Pcm) -> list[str]:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(speech_pcm.tobytes()))
    return [str(secret), f"file://{secret}", f"{listener.url}/secret.wav"]


@pytest.mark.parametrize("kind", LEADERS)
def test_a_file_that_leads_elsewhere_is_refused_and_nobody_is_asked(
    kind: str, tmp_path: Path, listener: Listener, targets: list[str], limits: Limits
) -> None:
    for target in targets:
        source = tmp_path / f"given.{kind}"
        source.write_text(LEADERS[kind].format(target=target))
        with pytest.raises(InvalidAudio, match=r"only points to audio|no audio track"):
            decode(source, tmp_path / "out.pcm", limits)
        with pytest.raises(InvalidAudio, match=r"only points to audio|no audio track"):
            probe(source, limits)
    assert listener.asked == []
    assert not (tmp_path / "out.pcm").exists()
    # The listener does hear those who ask.
    urllib.request.urlopen(f"{listener.url}/control").read()
    assert listener.asked == ["/control"]


@pytest.mark.parametrize("kind", ["hls", "ffconcat"])
def test_even_a_demuxer_that_should_not_be_there_opens_nothing(
    kind: str, listener: Listener, targets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lock, by itself and in this process: FFmpeg asks us for every file, and we refuse."""
    monkeypatch.setattr(media, "LEADING_ELSEWHERE", frozenset())
    for target in targets:
        with pytest.raises(InvalidAudio):
            decode_into(io.BytesIO(LEADERS[kind].format(target=target).encode()), io.BytesIO(), LIMITS, lambda _: None)
    assert listener.asked == []


def confined(code: str) -> str:
    """What some code prints in a confined process."""
    start = "from audio.confine import confine; from audio.limits import Limits; import os, resource, socket\n"
    start += "confine(Limits(5, 1 << 29, 1, 60), writable_bytes=1000)\n"
    answer = subprocess.run([sys.executable, "-c", start + code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return answer.stdout.strip() or f"exit {answer.returncode}"


def test_the_kernel_refuses_files_sockets_and_cores_in_the_child() -> None:
    attempt = "try:\n    {}\nexcept OSError as error:\n    print(error.strerror)"
    assert confined(attempt.format("open('/etc/passwd')")) == "Too many open files"
    assert confined(attempt.format("socket.socket()")) == "Too many open files"
    assert confined("print(resource.getrlimit(resource.RLIMIT_CORE))") == "(0, 0)"
    assert confined("try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('no memory')") == "no memory"
    assert confined("while True: pass") == "exit -24"


def test_too_much_processor_time_is_refused(tmp_path: Path, limits: Limits) -> None:
    endless = tmp_path / "endless"
    endless.write_bytes(wav(b"", claimed=0xFFFFFFFF))
    os.truncate(endless, 1 << 42)
    with pytest.raises(InvalidAudio, match="1 s of processor time"):
        decode(endless, tmp_path / "out.pcm", replace(limits, cpu_seconds=1, max_audio_seconds=1e8))
    assert [path.name for path in tmp_path.iterdir()] == ["endless"]


def test_too_much_memory_is_refused(tmp_path: Path, limits: Limits) -> None:
    """Half a million samples of 64 channels of 8 bytes are converted at once: 256 MB and more."""
    wide = tmp_path / "wide"
    wide.write_bytes(wav(np.zeros((600_000, 64)).tobytes(), channels=64, bits=64, kind=3))
    with pytest.raises(InvalidAudio, match="more memory than 320 MiB"):
        decode(wide, tmp_path / "out.pcm", replace(limits, memory_bytes=320 << 20))


ORPHAN = """
import sys
from pathlib import Path
from audio.decode import decode
from audio.limits import Limits
decode(Path(sys.argv[1]), Path(sys.argv[2]), Limits(600, 1 << 30, 600, 1e9), heard=lambda _: print("on", flush=True))
"""


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    endless.write_bytes(wav(b"", claimed=0xFFFFFFFF, rate=192_000, channels=8))
    os.truncate(endless, 1 << 43)
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(endless), str(tmp_path / "out.pcm")], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert parent.stdout
    assert parent.stdout.readline() == b"on\n"
    [child] = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    child.wait(timeout=30)
    assert not child.is_running()


def test_the_childs_environment_is_its_own(speech_pcm: Pcm, tmp_path: Path, limits: Limits) -> None:
    source = tmp_path / "given"
    source.write_bytes(wav(speech_pcm[: RATE // 2].tobytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", "/nonexistent")
        patch.setenv("LD_PRELOAD", "/nonexistent.so")
        assert decode(source, tmp_path / "out.pcm", limits).duration == 0.5
