"""One command from its words to its exit code."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bob_ci.cli import INTERRUPTED, output
from bob_ci.cli.root import root
from bob_ci.errors import BobError

FAILED, BUG = 1, 70


def run(arguments: Sequence[str]) -> int:
    """Run a command line; what fails is said on stderr."""
    try:
        result = root.main(args=list(arguments), prog_name="bobctl", standalone_mode=False)
    except BobError as error:
        output.say_error(str(error), error.hint)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("bobctl: interrupted", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- the one place where a bug ends
        if isinstance(error, OSError) and error.filename and error.strerror:
            # The machine's own trouble with a path (too long, closed to us, a broken disk) is no bug of ours.
            output.say_error(f"{error.filename}: {error.strerror}")
            return FAILED
        return _bug(error)
    return result if isinstance(result, int) else 0


def _bug(error: Exception) -> int:
    import tempfile
    import traceback

    click.echo(f"bobctl: a bug: {type(error).__name__}: {output.safe(str(error))}", err=True)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="bobctl-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            traceback.print_exception(error, file=log)
    except OSError as trouble:
        click.echo(f"bobctl: no log could be written: {trouble}", err=True)
    else:
        click.echo(f"bobctl: the full log is in {log.name}", err=True)
    return BUG
