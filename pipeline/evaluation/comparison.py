"""Two runs of the same recordings: what got worse, what got better, and whether it could be chance.

The difference of a rate is bootstrapped in pairs: each resample draws the same utterances for both runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluation.bootstrap import Amounts, Interval, difference_interval, rate
from pipeline.evaluation.results import MEASURES, FileResult, Measure, Result, ResultRefused

OVERALL = "all"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much worse is still good enough: points of a rate, 0.01 is one percent point.

    By default a measure fails when it got worse by more than ``overall``, and that is no chance: the lower end of the
    interval lies above it. ``strict`` asks for proof of the contrary: the upper end must lie within. A language fails
    when its rate rose by more than ``language``, and, unless strict, its interval is above zero.
    """

    overall: float = 0.0
    language: float = 0.02
    strict: bool = False

    def allows(self, difference: Difference) -> bool:
        """Whether a difference is good enough."""
        if not difference.measure.gates:
            return True
        return self._all(difference) if difference.group == OVERALL else self._language(difference)

    def _all(self, difference: Difference) -> bool:
        interval = difference.interval
        if interval is None:  # one utterance: there is no interval, so its own figure decides
            return difference.value <= self.overall
        return (interval.high if self.strict else interval.low) <= self.overall

    def _language(self, difference: Difference) -> bool:
        chance = difference.interval is not None and difference.interval.low <= 0
        return difference.value <= self.language or (chance and not self.strict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure over all recordings or those of one language: ``after`` less ``before``, both of the same ones."""

    group: str
    measure: Measure
    before: float
    after: float
    interval: Interval | None
    files: int
    counted: bool = False
    """Whether ``before`` and ``after`` are errors a recording, since nothing was said in any: then there is no rate."""

    @property
    def value(self) -> float:
        """More than zero: worse."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class FileChange:
    """A recording that got worse or better: its errors before and after, in words or seconds of ``units``."""

    key: str
    measure: Measure
    before: float
    after: float
    units: float
    error: str | None = None

    @property
    def change(self) -> float:
        """More than zero: worse."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two runs.

    ``unpaired`` are recordings that only one of them has, or whose audio or reference changed; ``failed_before`` are
    those that failed in the earlier run, and are compared with nothing: beside a failure everything looks better.
    ``broken`` are those that fail now and did not, or are unpaired; ``lost`` are measures that only ``before`` has.
    """

    before: Result
    after: Result
    differences: tuple[Difference, ...]
    files: tuple[FileChange, ...]
    unpaired: tuple[str, ...]
    failed_before: tuple[str, ...]
    broken: tuple[str, ...]
    lost: tuple[Measure, ...]
    paired: int

    @property
    def compared(self) -> int:
        """Recordings that the differences are of."""
        return self.paired - len(self.failed_before)

    def incomplete(self, tolerance: Tolerance) -> bool:
        """Whether recordings of the later run have no counterpart, and that is no proof as ``strict`` asks for it."""
        return tolerance.strict and self.paired < len(self.after.files)

    def failures(self, tolerance: Tolerance) -> list[Difference]:
        """The differences that are not good enough."""
        return [each for each in self.differences if not tolerance.allows(each)]

    def passes(self, tolerance: Tolerance) -> bool:
        """Whether the later run is good enough."""
        return not (self.broken or self.lost or self.failures(tolerance) or self.incomplete(tolerance))


def compare(before: Result, after: Result) -> Comparison:
    """Compare two runs on the recordings that both have, with the same audio and the same reference.

    Raises:
        ResultRefused: when nothing can be compared, or the two were scored in different ways.

    """
    check_scoring(before, after.conditions.collar, after.conditions.normalisers)
    pairs, unpaired = _paired(before, after)
    if not pairs:
        raise ResultRefused("The two runs have no recording in common: they are of different sets.")
    known = [(old, new) for old, new in pairs if old.error is None]
    if not known:
        raise ResultRefused("Each recording that the two runs have in common failed in the earlier one.")
    changes = sorted(_changes(known), key=lambda each: (MEASURES.index(each.measure), -each.change))
    return Comparison(
        before,
        after,
        differences=tuple(_differences(known, after.conditions.seed)),
        files=tuple(changes),
        unpaired=unpaired,
        failed_before=tuple(new.key for old, new in pairs if old.error is not None),
        broken=tuple(_broken(after, pairs)),
        lost=_lost(known),
        paired=len(pairs),
    )


def check_scoring(before: Result, collar: float, normalisers: Mapping[str, str]) -> None:
    """Refuse to compare what was, or will be, scored in different ways.

    Raises:
        ResultRefused: saying in which.

    """
    theirs = before.conditions
    if collar != theirs.collar:
        raise ResultRefused(f"The runs were scored with collars of {theirs.collar:g} s and {collar:g} s.")
    different = [
        language
        for language in normalisers.keys() & theirs.normalisers.keys()
        if normalisers[language] != theirs.normalisers[language]
    ]
    if different:
        raise ResultRefused(f"The runs normalised the text of {', '.join(sorted(different))} in different ways.")


Pair = tuple[FileResult, FileResult]


def _differences(pairs: Sequence[Pair], seed: int) -> Iterator[Difference]:
    languages = sorted({new.language for _, new in pairs})
    groups = [(OVERALL, pairs)]
    if len(languages) > 1:
        groups += [(each, [pair for pair in pairs if pair[1].language == each]) for each in languages]
    for measure in MEASURES:
        for group, some in groups:
            if (found := _difference(group, measure, some, seed)) is not None:
                yield found


def _broken(after: Result, pairs: Sequence[Pair]) -> Iterator[str]:
    already = {old.key for old, _ in pairs if old.error is not None}
    yield from (file.key for file in after.files if file.error is not None and file.key not in already)


def _lost(pairs: Sequence[Pair]) -> tuple[Measure, ...]:
    """Measures that count, and that the later run no longer has on any recording: what is not measured cannot pass."""

    def has(measure: Measure, files: Iterable[FileResult]) -> bool:
        return any(measure.of(file) is not None for file in files)

    old, new = [one for one, _ in pairs], [other for _, other in pairs]
    return tuple(each for each in MEASURES if each.gates and has(each, old) and not has(each, new))


def _paired(before: Result, after: Result) -> tuple[list[Pair], tuple[str, ...]]:
    old = {file.key: file for file in before.files}
    new = {file.key: file for file in after.files}
    common = [key for key in new if key in old and _same(old[key], new[key])]
    chosen = set(common)
    unpaired = tuple(key for key in dict.fromkeys([*old, *new]) if key not in chosen)
    return [(old[key], new[key]) for key in common], unpaired


def _same(old: FileResult, new: FileResult) -> bool:
    same_audio = old.audio_sha256 == new.audio_sha256 or None in (old.audio_sha256, new.audio_sha256)
    return same_audio and old.reference_sha256 == new.reference_sha256


def _difference(group: str, measure: Measure, pairs: Sequence[Pair], seed: int) -> Difference | None:
    measured = [
        (ours, theirs)
        for old, new in pairs
        if (ours := measure.of(old)) is not None and (theirs := measure.of(new)) is not None
    ]
    if not measured:
        return None
    old_amounts, new_amounts = [old for old, _ in measured], [new for _, new in measured]
    before, after = rate(old_amounts), rate(new_amounts)
    if before is None or after is None:
        return _of_silence(group, measure, old_amounts, new_amounts)
    interval = difference_interval(new_amounts, old_amounts, seed)
    return Difference(group, measure, before, after, interval, len(measured))


def _of_silence(group: str, measure: Measure, old: Sequence[Amounts], new: Sequence[Amounts]) -> Difference | None:
    """Where nothing was said there is no rate: errors a recording are compared instead."""
    if not measure.gates:
        return None
    before, after = (sum(each.errors for each in some) / len(some) for some in (old, new))
    return Difference(group, measure, before, after, None, len(new), counted=True)


def _changes(pairs: Sequence[Pair]) -> Iterator[FileChange]:
    for old, new in pairs:
        for measure in MEASURES:
            ours, theirs = measure.of(old), measure.of(new)
            if not measure.gates or ours is None or theirs is None or ours.errors == theirs.errors:
                continue
            yield FileChange(new.key, measure, ours.errors, theirs.errors, theirs.units, new.error)
