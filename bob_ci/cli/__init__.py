"""The command line: words in, one call of the library, the result printed."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run `bobctl`; exit as CLI.md has it: 0, 1, 2, 3, 70 for a bug, 130 when interrupted."""
    from bob_ci.cli.run import run

    code = run(sys.argv[1:])
    # Everything is written: skip the interpreter's clean-up of modules, which users would wait for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
