"""The gate: what passes, what does not, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.evaluation.comparison import OVERALL, Tolerance, check_scoring, compare
from pipeline.evaluation.results import (
    Conditions,
    Edited,
    FileResult,
    Mistimed,
    Result,
    ResultRefused,
    by_language,
    read_result,
    summed_up,
    write_result,
)
from pipeline.evaluation.writing import conclusion, left_out


def file(number: int, errors: int, language: str = "en", **more: object) -> FileResult:
    words = Edited(substitutions=errors, deletions=0, insertions=0, length=20)
    given = {"key": f"{language}/{number}", "language": language, "reference_sha256": "r", "words": words, **more}
    return FileResult.model_validate(given)


def result(*files: FileResult, collar: float = 0.0) -> Result:
    conditions = Conditions(
        set_name="set",
        set_sha256="s",
        request={},
        language="manifest",
        program="0",
        normalisers={"en": "n"},
        collar=collar,
        seed=0,
        machine="m",
    )
    return Result(
        made_at="2026-01-01T00:00:00+00:00",
        conditions=conditions,
        overall=summed_up(files, 0),
        languages={language: summed_up(some, 0) for language, some in by_language(files).items()},
        files=files,
    )


BEFORE = result(*(file(number, number % 3) for number in range(40)))


def test_the_same_run_passes_even_strictly() -> None:
    found = compare(BEFORE, BEFORE)
    assert found.passes(Tolerance())
    assert found.passes(Tolerance(strict=True))
    assert conclusion(found, Tolerance()).startswith("Good enough")


def test_one_error_more_everywhere_fails_unless_it_is_tolerated() -> None:
    after = result(*(file(number, number % 3 + 1) for number in range(40)))
    found = compare(BEFORE, after)
    (overall,) = [each for each in found.differences if each.group == OVERALL]
    assert overall.value == pytest.approx(0.05)
    assert not found.passes(Tolerance())
    assert found.passes(Tolerance(overall=0.06, strict=True))
    assert [each.key for each in found.files][:1] == ["en/0"]
    assert conclusion(found, Tolerance()) == "Worse: WER (all), on 40 of 40 recordings."


def test_chance_passes_but_is_no_proof() -> None:
    after = result(*(file(number, (number + number // 7) % 3) for number in range(40)))
    found = compare(BEFORE, after)
    assert found.passes(Tolerance())
    assert not found.passes(Tolerance(strict=True))


def test_a_language_cannot_hide_behind_the_others() -> None:
    many = [file(number, 2) for number in range(60)]
    before = result(*many, *(file(number, 0, "fr") for number in range(6)))
    after = result(*(file(number, 1) for number in range(60)), *(file(number, 2, "fr") for number in range(6)))
    found = compare(before, after)
    assert [each.group for each in found.failures(Tolerance())] == ["fr"]


def test_what_breaks_or_is_not_measured_any_more_fails() -> None:
    broken = result(*BEFORE.files[1:], file(0, 0, error="invalid_audio"))
    found = compare(BEFORE, broken)
    assert found.broken == ("en/0",)
    assert not found.passes(Tolerance(overall=1.0))
    time = Mistimed(total=10, missed=0, false_alarm=0, confusion=0)
    with_speakers = result(*(each.model_copy(update={"diarization": time}) for each in BEFORE.files))
    lost = compare(with_speakers, BEFORE)
    assert not lost.passes(Tolerance())
    assert "DER" in conclusion(lost, Tolerance())


def test_only_what_is_the_same_is_compared() -> None:
    other = result(file(0, 0, reference_sha256="another"), *BEFORE.files[1:], file(99, 0))
    found = compare(BEFORE, other)
    assert found.unpaired == ("en/0", "en/99")
    assert found.paired == 39
    with pytest.raises(ResultRefused, match="no recording in common"):
        compare(BEFORE, result(file(77, 0)))
    with pytest.raises(ResultRefused, match=r"collars of 0 s and 0\.25 s"):
        compare(BEFORE, result(*BEFORE.files, collar=0.25))
    with pytest.raises(ResultRefused, match="text of en in different ways"):
        check_scoring(BEFORE, 0.0, {"en": "another", "fr": "n"})


def test_a_failure_is_nothing_to_be_better_than() -> None:
    failed = file(0, 20, error="invalid_audio")
    found = compare(result(failed, *BEFORE.files[1:]), BEFORE)
    assert found.failed_before == ("en/0",)
    assert (found.differences[0].value, found.differences[0].files) == (0, 39)
    assert found.files == ()
    assert found.passes(Tolerance(strict=True))
    assert conclusion(found, Tolerance()).endswith("on 39 of 40 recordings.")
    assert list(left_out(found)) == ["1 recordings failed in the earlier run, and are not compared."]
    assert compare(result(failed, *BEFORE.files[1:]), result(failed, *BEFORE.files[1:])).broken == ()
    with pytest.raises(ResultRefused, match="failed in the earlier one"):
        compare(result(failed), BEFORE)


def test_a_recording_that_fails_fails_without_a_counterpart_too() -> None:
    new = file(99, 0, error="invalid_audio")
    changed = file(0, 0, reference_sha256="another", error="invalid_audio")
    for after in (result(*BEFORE.files, new), result(changed, *BEFORE.files[1:])):
        found = compare(BEFORE, after)
        assert len(found.broken) == 1
        assert not found.passes(Tolerance(overall=1.0))
        assert conclusion(found, Tolerance()) == "Worse: 1 recordings fail that did not, or were not there, before."


def test_strictly_every_recording_has_a_counterpart() -> None:
    found = compare(result(*BEFORE.files[:30]), BEFORE)
    assert found.passes(Tolerance())
    assert conclusion(found, Tolerance()).endswith("on 30 of 40 recordings.")
    strict = Tolerance(strict=True)
    assert not found.passes(strict)
    assert conclusion(found, strict).startswith("Not shown to be as good: only 30 of 40 recordings")
    assert compare(BEFORE, result(*BEFORE.files[:30])).passes(strict)


def test_words_where_nothing_is_said() -> None:
    silence = Edited(substitutions=0, deletions=0, insertions=0, length=0)
    noisy = silence.model_copy(update={"insertions": 4})
    before, after = (result(*(file(number, 0, words=words) for number in range(3))) for words in (silence, noisy))
    found = compare(before, after)
    assert after.overall.words_where_none_were_said == 12
    assert not found.passes(Tolerance())
    assert found.differences[0].counted


def test_results_are_kept(tmp_path: Path) -> None:
    write_result(BEFORE, tmp_path / "new" / "a.json")
    assert read_result(tmp_path / "new" / "a.json") == BEFORE
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ResultRefused, match="no result of `woa evaluate`"):
        read_result(tmp_path / "b.json")
    with pytest.raises(ResultRefused, match="cannot be read"):
        read_result(tmp_path / "c.json")
