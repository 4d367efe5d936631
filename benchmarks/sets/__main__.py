"""`python -m benchmarks.sets [FOLDER]`: build the evaluation sets below a folder, var/sets by default.

Needs Debian's apt-get and dpkg-deb; packages are fetched by name and unpacked, nothing is installed. Two builds from
the same packages are equal, byte for byte: the sums that are printed say so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.sets.making import Making
from benchmarks.sets.packages import PackageMissing

SETS = Path(__file__).parent.parent.parent / "var" / "sets"


def main() -> int:
    """Build what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sets", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=SETS, help="where they go; var/sets by default")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        Making(folder, lambda line: print(line, flush=True)).all()
    except PackageMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
