"""The page: HTML that stands alone, with every figure, and nothing of the recordings taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from pipeline.evaluation.comparison import Tolerance, compare
from pipeline.evaluation.page import page
from pipeline.evaluation.results import Edited, FileResult
from tests.pipeline.evaluation.test_comparison import result

VOID = frozenset({"meta", "br", "line", "circle", "rect"})


class Checked(HTMLParser):
    """Every element is closed where it belongs; what is seen is kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def many(errors: int) -> list[FileResult]:
    words = Edited(substitutions=errors, deletions=0, insertions=0, length=4)
    return [
        FileResult(
            key=f"{language}/{number}",
            language=language,
            reference_sha256="r",
            seconds=2.0,
            stages={"transcribe": 0.5},
            words=words,
            reference="a <script>alert(1)</script> c",
            hypothesis="a b c",
        )
        for language in ("en", "fr")
        for number in range(4)
    ]


def test_a_page_with_a_comparison() -> None:
    before, after = result(*many(1)), result(*many(2))
    text = page(after, compare(before, after), Tolerance())
    checked = Checked(text)
    assert text.startswith("<!DOCTYPE html>")
    assert "script" not in checked.seen
    assert not re.search(r"(src|href|url\(|@import)", text)
    assert checked.seen.count("svg") >= 3
    assert checked.seen.count("h1") == 1
    labelled = [value for name, value in checked.attributes if name == "aria-label"]
    assert all(labelled)
    assert "Worse: WER (all)" in text
    assert "50.0 % (50.0–50.0)" in text
    assert "<del>&lt;script&gt;alert(1)&lt;/script&gt;</del>" in text


def test_a_page_of_one_recording() -> None:
    Checked(page(result(many(0)[0])))
