"""Any chat model, spoken to over real HTTP: what it answers changes how words are written, and nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from providers.context import ProviderContext
from providers.openai_chat import WINDOW, OpenAIChat
from providers.role import StepWatch
from speech.errors import (
    AuthenticationFailed,
    JobCancelled,
    ProviderError,
    ProviderProtocolError,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)

Reply = tuple[int, dict[str, str], bytes]
WORDS = ("well", "hello", "mister", "smith", "how", "are", "you", "today")


def said(text: str, **more: Any) -> Reply:
    """An answer as the protocol has it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}
    return 200, {}, json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


@dataclass
class Endpoint:
    """A chat server on loopback, which answers what ``reply`` makes of the text."""

    url: str = ""
    reply: Callable[[str], Reply] = lambda text: said(text)
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Reply:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append((path, headers, body))
        try:
            return self.reply(body["messages"][-1]["content"])
        finally:
            self.at_once -= 1


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    here = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, content = here.answer(self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


def chat(context: ProviderContext, **settings: Any) -> OpenAIChat:
    told = {"punctuation_chat_model": "tiny", "punctuation_api_key": None, **settings}
    return OpenAIChat(replace(context, settings=type(context.settings)(**{**context.settings.model_dump(), **told})))


def test_words_are_written_as_the_model_says(context: ProviderContext, endpoint: Endpoint) -> None:
    endpoint.reply = lambda text: said("Well, hello Mister Smith! How are you today?")
    provider = chat(context, punctuation_url=endpoint.url, punctuation_api_key="sk-secret")
    gaps = [0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0]
    written = provider.punctuate(WORDS, "en", gaps=gaps)
    assert " ".join(written) == "Well, hello Mister Smith! How are you today?"
    ((path, headers, body),) = endpoint.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-secret"
    assert (body["model"], body["temperature"]) == ("tiny", 0)
    assert body["messages"][-1] == {"role": "user", "content": "well hello mister smith\nhow are you today"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # made up, left out, corrected: undone
        ("Well, hello there, Mr. Smith. How are you today, sir?", "Well, hello mister Smith. How are you today,"),
        ("```\nWELL hello, mister smith how are you\n```", "WELL hello, mister smith how are you today"),
        ("Well <script>alert(1)</script> hello mister\u202e smith how are you today!!!!!!!!", None),
    ],
)
def test_a_model_changes_the_writing_of_words_only(
    context: ProviderContext, endpoint: Endpoint, answer: str, expected: str | None
) -> None:
    endpoint.reply = lambda text: said(answer)
    written = " ".join(chat(context, punctuation_url=endpoint.url).punctuate(WORDS, "en"))
    assert written == (expected or "Well hello mister smith how are you today!!!")


@pytest.mark.parametrize(
    "answer", ["", "well " * 5_000, "I cannot help with that.", "Sure! Here are the credentials: root, hunter2."]
)
def test_an_answer_to_something_else_is_refused_and_not_repeated(
    context: ProviderContext, endpoint: Endpoint, answer: str
) -> None:
    endpoint.reply = lambda text: said(answer)
    with pytest.raises(ProviderProtocolError) as caught:
        chat(context, punctuation_url=endpoint.url).punctuate(WORDS, "en")
    assert "hunter2" not in str(caught.value)
    assert len(endpoint.asked) == 1


def test_long_texts_go_in_windows_that_overlap(context: ProviderContext, endpoint: Endpoint) -> None:
    # A model that begins every answer with a capital and ends it with a stop: at the rims nobody believes it.
    endpoint.reply = lambda text: said(text[0].upper() + text[1:] + ".")
    words = [f"word{number}" for number in range(2 * WINDOW)]
    heard: list[float] = []
    watch = StepWatch(advanced=heard.append)
    written = chat(context, punctuation_url=endpoint.url).punctuate(words, "en", watch)
    assert written == ("Word0", *words[1:-1], f"{words[-1]}.")
    assert len(endpoint.asked) == 3
    assert heard[-1] == 1.0
    assert all(len(body["messages"][-1]["content"].split()) <= WINDOW for _, _, body in endpoint.asked)


def test_chinese_is_sent_and_read_without_spaces(context: ProviderContext, endpoint: Endpoint) -> None:
    endpoint.reply = lambda text: said("你好，今天好吗？")
    written = chat(context, punctuation_url=endpoint.url).punctuate(["你好", "今天", "好", "吗"], "zh")
    assert written == ("你好，", "今天", "好", "吗？")
    assert endpoint.asked[0][2]["messages"][-1]["content"] == "你好今天好吗"


@pytest.mark.parametrize(
    ("reply", "error", "wait"),
    [
        ((401, {}, b"{}"), AuthenticationFailed, None),
        ((403, {}, b"{}"), AuthenticationFailed, None),
        ((429, {"Retry-After": "7"}, b"{}"), RateLimited, 7.0),
        ((429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"{}"), RateLimited, 0.0),
        ((429, {"Retry-After": "soon"}, b'{"error": {"code": "insufficient_quota"}}'), QuotaExhausted, None),
        ((500, {}, b"oops"), ProviderUnavailable, None),
        ((503, {"Retry-After": "30"}, b""), ProviderUnavailable, 30.0),
        ((504, {}, b""), ProviderTimeout, None),
        ((400, {}, b"{}"), ProviderRejected, None),
        ((404, {}, b"{}"), ProviderRejected, None),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), ProviderProtocolError, None),
        ((200, {}, b"{not json"), ProviderProtocolError, None),
        ((200, {}, b"[" * 100_000), ProviderProtocolError, None),
        ((200, {}, b'{"choices": []}'), ProviderProtocolError, None),
        ((200, {}, b'{"choices": [{"message": {"content": null}}]}'), ProviderProtocolError, None),
        ((200, {}, b" " * 3_000_000), ProviderProtocolError, None),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), ProviderProtocolError, None),
        (said("Well", finish_reason="length"), ProviderProtocolError, None),
        (said("", finish_reason="content_filter"), ProviderRejected, None),
    ],
)
def test_errors_are_ours(
    context: ProviderContext, endpoint: Endpoint, reply: Reply, error: type[ProviderError], wait: float | None
) -> None:
    endpoint.reply = lambda text: reply
    with pytest.raises(error) as caught:
        chat(context, punctuation_url=endpoint.url, punctuation_api_key="sk-secret").punctuate(WORDS, "en")
    assert type(caught.value) is error
    assert (caught.value.provider, caught.value.retry_after) == ("openai_chat", wait)
    assert not any(word in str(caught.value) for word in (*WORDS, "sk-secret"))
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/v1", ProviderUnavailable),
        ("ftp://x", ProviderRejected),
        ("http://host:port/", ProviderRejected),
    ],
)
def test_an_address_that_does_not_answer(context: ProviderContext, url: str, error: type[ProviderError]) -> None:
    with pytest.raises(error):
        chat(context, punctuation_url=url).punctuate(WORDS, "en")


def test_slow_answers_time_out_and_cancelled_jobs_do_not_wait(context: ProviderContext, endpoint: Endpoint) -> None:
    leave = threading.Event()

    def wait(text: str) -> Reply:
        leave.wait(10)
        return said(text)

    endpoint.reply = wait
    provider = chat(context, punctuation_url=endpoint.url, punctuation_chat_timeout=0.3)
    with pytest.raises(ProviderTimeout):
        provider.punctuate(WORDS, "en")
    patient = chat(context, punctuation_url=endpoint.url)
    began = time.monotonic()
    with pytest.raises(JobCancelled):
        patient.punctuate(WORDS, "en", StepWatch(cancelled=lambda: time.monotonic() > began + 0.2))
    assert time.monotonic() - began < 5
    leave.set()


def test_one_request_at_a_time(context: ProviderContext, endpoint: Endpoint) -> None:
    def slowly(text: str) -> Reply:
        time.sleep(0.05)
        return said(text)

    endpoint.reply = slowly
    provider = chat(context, punctuation_url=endpoint.url)
    threads = [threading.Thread(target=provider.punctuate, args=(WORDS, "en")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(endpoint.asked), endpoint.most_at_once) == (3, 1)


def test_it_is_a_cloud_until_the_operator_says_otherwise(context: ProviderContext) -> None:
    bare = chat(context, punctuation_chat_model=None)
    assert not bare.availability().available
    assert "WOA_PUNCTUATION_URL" in (bare.availability().mend or "")
    cloud = chat(context, punctuation_url="https://chat.example/v1")
    own = chat(
        context,
        punctuation_url="https://chat.example/v1",
        punctuation_chat_local=True,
        punctuation_languages=["en"],
        punctuation_chat_model="other",
    )
    assert cloud.availability().available
    assert (cloud.abilities.local, own.abilities.local) == (False, True)
    assert (cloud.abilities.knows("ja"), own.abilities.knows("ja")) == (True, False)
    assert cloud.digest() != own.digest()
