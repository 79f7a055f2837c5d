"""The command line: words in, one call of the library, the result printed."""

from __future__ import annotations

import gc
import os
import sys

FINDINGS, INTERRUPTED = 3, 130


def main() -> None:
    """Run `bobctl`; exit as CLI.md has it: 0, 1, 2, 3, 70 for a bug, 130 when interrupted."""
    # A short-lived process that makes many small objects and hardly a cycle: collecting them all the time
    # took half of a large render.
    gc.set_threshold(200_000, 50, 100)
    try:
        code = _run()
    except KeyboardInterrupt:  # while modules were loaded, or a second time
        code = INTERRUPTED
    # Everything is written: skip the interpreter's clean-up of modules, which users would wait for.
    os._exit(code)


def _run() -> int:
    from bob_ci.cli import streams

    streams.install()
    from bob_ci.cli.run import run

    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    return code
