"""`python -m benchmarks [--quick] [NAME...]`: run the benchmarks and write their figures to benchmarks/results/.

`--quick` runs few samples and checks invariants only; its figures are printed, not kept.
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

from benchmarks import identity, latency
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


def main() -> int:
    """Run what was asked for on one running product."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which ones; all by default")
    parser.add_argument("--quick", action="store_true", help="few samples, invariants only")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="woa-bench-"))
    try:
        with running_stack(folder, MODELS) as stack:
            for name in asked.names or BENCHMARKS:
                _report(name, BENCHMARKS[name](stack, asked.quick), asked.quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


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
