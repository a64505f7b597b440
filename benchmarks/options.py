"""The command line that all scripts share: `--quick`, `--json`, and what they end with."""

import argparse
import sys
from pathlib import Path
from typing import Any


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser that shows a script's docstring as it is."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def read(parser: argparse.ArgumentParser, **quick: Any) -> argparse.Namespace:
    """The options; `quick` are the defaults of a run in seconds, which the suite makes of every script."""
    parser.add_argument("--quick", action="store_true", help="all of it with tiny numbers: does it work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into a file, too: see guard.py")
    if "--quick" in sys.argv[1:]:
        parser.set_defaults(**quick)
    return parser.parse_args()


def end(options: argparse.Namespace, *, right: bool = True, met: bool = True) -> None:
    """End with 1 if something was wrong, or a goal was missed; a quick run has no goals, its numbers are too small."""
    sys.exit(0 if right and (met or options.quick) else 1)
