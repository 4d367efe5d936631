"""`python -m benchmarks [--quick] [NAME...]`: run the benchmarks and write their figures to benchmarks/results/.

`--quick` runs few samples on one product and checks invariants only; its figures are printed, not kept.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import cancelling, chaos, crowd, guard, identity, ingest_many, latency, overhead, throughput
from benchmarks.others import Others
from benchmarks.stack import Stack
from benchmarks.workbench import SQLITE, Workbench

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
MODELS = ROOT / "var" / "models"
JFK = ROOT / "examples" / "audio" / "jfk.flac"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``full`` measures, on products that it starts; ``quick`` checks what must always hold, on a running one."""

    full: Callable[[Workbench], str]
    quick: Callable[[Workbench, Stack], str]


def run_latency(stack: Stack, quick: bool) -> str:
    """Submission and status, with a job running."""
    figures = latency.measure(stack, JFK, *((5, 20) if quick else (50, 200)))
    rows = [f"| {name} | {value:.1f} |" for name, value in figures.items()]
    return "\n".join(["| figure | value |", "| --- | --- |", *rows])


def run_identity(stack: Stack, quick: bool) -> str:
    """Token identity with bare faster-whisper, with and without VAD."""
    clips = identity.collect(0 if quick else 20)
    clips = clips[:6] if quick else clips
    parts = []
    for title, options in (("VAD as by default", {}), ("VAD off", {"vad": {"enabled": False}})):
        differences = identity.compare(stack, clips, MODELS, options)
        share = 100 * (1 - len(differences) / len(clips))
        found = [f"**{title}**: {share:.1f} % of {len(clips)} clips are token-identical.\n"]
        found += [f"- {one.clip}\n  - bare: {one.bare}\n  - product: {one.product}" for one in differences]
        print("\n".join(found), file=sys.stderr, flush=True)  # the whole takes long: what is known is shown
        parts += found
        if quick and differences:
            raise SystemExit("\n".join(parts))
    return "\n".join(parts)


def _on_sqlite(run: Callable[[Stack, bool], str]) -> Benchmark:
    """A benchmark of one product on SQLite."""

    def full(bench: Workbench) -> str:
        with bench.product(SQLITE) as stack:
            return run(stack, False)

    return Benchmark(full, lambda _bench, stack: run(stack, True))


BENCHMARKS = {
    "latency": _on_sqlite(run_latency),
    "identity": _on_sqlite(run_identity),
    "overhead": Benchmark(overhead.full, overhead.quick),
    "throughput": Benchmark(throughput.full, throughput.quick),
    "crowd": Benchmark(crowd.full, crowd.quick),
    "cancelling": Benchmark(cancelling.full, cancelling.quick),
}
QUICK = ("latency", "identity")
"""Those whose invariants are checked when none is named: the others take minutes also in their quick form."""
ALONE = {"chaos": chaos.run, "guard": guard.run, "ingest_many": ingest_many.run}
"""Those that make installations of their own and take long: run when they are named. Each gives its figures, and
whether all promises were kept."""


def main() -> int:
    """Run what was asked for; the exit status says whether all promises were kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*BENCHMARKS, *ALONE, []],
        help="which ones; all but those that run alone by default",
    )
    parser.add_argument("--quick", action="store_true", help="few samples, invariants only")
    asked = parser.parse_args()
    # Started in the background of a shell, this process ignores it, and all that it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="woa-bench-"))
    bench = Workbench(folder, MODELS)
    names = asked.names or list(QUICK if asked.quick else BENCHMARKS)
    try:
        (_quick if asked.quick else _full)(bench, [name for name in names if name in BENCHMARKS])
    except BaseException:
        print(f"What is left, logs included, is in {folder}.", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    kept = [_alone(name, asked.quick) for name in names if name in ALONE]
    return 0 if all(kept) else 1


def _alone(name: str, quick: bool) -> bool:
    figures, kept = ALONE[name](quick)
    text = _report(name, figures)
    if not quick:
        _keep(name, text)
    return kept


def _full(bench: Workbench, names: Sequence[str]) -> None:
    for name in names:
        others = Others()
        figures = BENCHMARKS[name].full(bench)
        _keep(name, _report(name, f"{figures}\n\n{others.used()}"))


def _quick(bench: Workbench, names: Sequence[str]) -> None:
    """All on one product: most of the time goes into starting it."""
    if not names:
        return
    with bench.product(SQLITE) as stack:
        for name in names:
            _report(name, BENCHMARKS[name].quick(bench, stack))


def _report(name: str, figures: str) -> str:
    text = f"# {name}\n\n`python -m benchmarks {name}`, {datetime.now(UTC):%Y-%m-%d}, {_machine()}\n\n{figures}\n"
    print(text, flush=True)
    return text


def _keep(name: str, text: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, no GPU"


if __name__ == "__main__":
    sys.exit(main())
