"""`python -m benchmarks [--quick] [NAME...]`: run the benchmarks and write their figures to benchmarks/results/.

Without a name: those that one running product serves. `chaos` and `ingest_many` make installations of their own and
take long: they run when they are named. `--quick` runs few samples and checks invariants only; its figures are
printed, not kept.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import chaos, identity, ingest_many, latency
from benchmarks.stack import Stack, running_stack

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
MODELS = ROOT / "var" / "models"
JFK = ROOT / "examples" / "audio" / "jfk.flac"


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


BENCHMARKS: dict[str, Callable[[Stack, bool], str]] = {"latency": run_latency, "identity": run_identity}
ALONE: dict[str, Callable[[bool], tuple[str, bool]]] = {"chaos": chaos.run, "ingest_many": ingest_many.run}
"""Figures, and whether what is promised was found to be so."""


def main() -> int:
    """Run what was asked for; the exit status says whether all promises were kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, *ALONE, []], help="which ones")
    parser.add_argument("--quick", action="store_true", help="few samples, invariants only")
    asked = parser.parse_args()
    names = asked.names or list(BENCHMARKS)
    _run_together([name for name in names if name in BENCHMARKS], asked.quick)
    kept = True
    for name in (name for name in names if name in ALONE):
        figures, well = ALONE[name](asked.quick)
        _report(name, figures, asked.quick)
        kept = kept and well
    return 0 if kept else 1


def _run_together(names: list[str], quick: bool) -> None:
    """Those that share one running product."""
    if not names:
        return
    folder = Path(tempfile.mkdtemp(prefix="woa-bench-"))
    try:
        with running_stack(folder, MODELS) as stack:
            for name in names:
                _report(name, BENCHMARKS[name](stack, quick), quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _report(name: str, figures: str, quick: bool) -> None:
    text = f"# {name}\n\n`python -m benchmarks {name}`, {datetime.now(UTC):%Y-%m-%d}, {_machine()}\n\n{figures}\n"
    print(text, flush=True)
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, no GPU"


if __name__ == "__main__":
    sys.exit(main())
