"""One command from its words to its exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from bob_ci.cli.root import root
from bob_ci.errors import BobError

BUG, INTERRUPTED = 70, 130


def run(arguments: Sequence[str]) -> int:
    """Run a command line; what fails is said on stderr."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        result = root.main(args=list(arguments), prog_name="bobctl", standalone_mode=False)
    except BobError as error:
        say_error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("bobctl: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as `head` does. What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 -- the one place where a bug ends
        return _bug(error)
    return result if isinstance(result, int) else 0


def say_error(error: BobError) -> None:
    """The message, and the next step on a line of its own."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
    if error.hint:
        click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {error.hint}", err=True)


def _bug(error: Exception) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="bobctl-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    click.echo(f"bobctl: a bug: {type(error).__name__}: {error}", err=True)
    click.echo(f"bobctl: the full log is in {Path(log.name)}", err=True)
    return BUG
