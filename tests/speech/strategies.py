"""Words, segments and transcripts as nobody would want them, for property tests."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from speech.options import SubtitleOptions
from speech.transcript import Quality, Segment, Speaker, Transcript, Usage, Word, ordered, plain

few = settings(max_examples=40)
"""For properties that stand on others that were tried more often."""

NASTY = (
    "-->",
    "<b>",
    "</i>",
    "< font color=red >",
    "<v Bob>",
    "<!--",
    "&",
    "&amp;",
    "&lt;script",
    "a\tb",
    "a\r\n\r\nb",
    "\n\n",
    "\x00",
    "\x1cx\x85y",
    "\u2028\u2029",
    "\ufeff",
    "\ud800",
    "\u200b",
    "\u00a0!",
    "WEBVTT",
    "NOTE",
    "1984",
    "١٩٨٤",
    '"quoted"',
    "{\\an8}",
    "00:00:01,000 --> x",
    "日本語のとても長いテキスト、「かぎ」。",
    "。。。。。。。。。。。。",
    "สวัสดีครับ",
    "مرحبا",
    "שלום",
    "e\u0301\u0301",
    "👨‍👩‍👧‍👦👍🏽🇪🇺❤️",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "한국어",
    " padded ",
    "",
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(alphabet="abcdefghij", min_size=1, max_size=12),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=15),
)
any_times = st.one_of(
    st.floats(), st.floats(min_value=-5, max_value=60), st.integers(min_value=0, max_value=60).map(float)
)
labels = st.one_of(st.none(), st.sampled_from(("SPEAKER_00", "SPEAKER_01", "Bo <b> & Co\n-->")))
channels = st.sampled_from((None, None, 0, 1))
confidences = st.one_of(st.none(), st.floats())

words = st.builds(Word, any_times, any_times, texts, st.booleans(), confidences, labels)


@st.composite
def _followed(draw: st.DrawFn, most: int) -> tuple[Word, ...]:
    """Words one behind the other, as recognisers give them."""
    at = draw(st.floats(min_value=0, max_value=40))
    kept = []
    for _ in range(draw(st.integers(min_value=1, max_value=most))):
        begin = at + draw(st.sampled_from((0.0, 0.05, 0.2, 2.5)))
        at = begin + draw(st.sampled_from((0.0, 0.12, 0.3, 0.7)))
        kept.append(Word(begin, at, draw(texts), draw(st.booleans())))
    return tuple(kept)


@st.composite
def wild_segments(draw: st.DrawFn) -> Segment:
    """A segment that keeps no promise at all."""
    many = draw(st.one_of(st.lists(words, max_size=4).map(tuple), _followed(14)))
    return Segment(
        draw(any_times),
        draw(any_times),
        draw(st.one_of(texts, st.lists(texts, max_size=12).map(" ".join))),
        many if draw(st.booleans()) else (),
        draw(st.sampled_from((None, "en", "ja"))),
        draw(labels),
        draw(channels),
        draw(confidences),
    )


durations = st.one_of(st.floats(min_value=0, max_value=100), st.sampled_from((0.0, 1.23456, 33.3333, 60.0)))


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """A transcript that keeps its promises, of wild text."""
    duration = draw(durations)
    fraction = st.one_of(st.none(), st.floats(min_value=0, max_value=1))
    return Transcript(
        transcript_id="t1",
        job_id=draw(st.sampled_from((None, "j1"))),
        file_id=draw(st.sampled_from((None, "f1"))),
        filename=draw(st.one_of(st.just("two words.wav"), texts.map(plain))),
        duration=duration,
        language=draw(st.sampled_from((None, "en"))),
        language_probability=draw(fraction),
        provider="fake",
        model="one",
        model_digest=draw(st.sampled_from((None, "sha256:00"))),
        segments=ordered(draw(st.lists(wild_segments(), max_size=4)), duration),
        speakers=tuple(draw(st.sampled_from(((), (Speaker("SPEAKER_00", "Ann & <Bo>", 3.5), Speaker("SPEAKER_01")))))),
        quality=Quality(draw(fraction), draw(st.one_of(st.none(), st.just(31.5))), draw(fraction)),
        usage=Usage(duration, 0.25),
        stages={"prepare": 0.05, "transcribe": 0.61},
        warnings=draw(st.sampled_from(((), ("The audio is clipped.",)))),
    )


subtitles = st.builds(
    SubtitleOptions,
    max_line_width=st.sampled_from((8, 10, 20, 42, 200)),
    max_lines=st.integers(min_value=1, max_value=4),
    max_duration=st.sampled_from((0.0001, 0.5, 2.0, 7.0, 60.0)),
    max_cps=st.sampled_from((0.01, 5.0, 20.0, 100.0)),
)
